package kittiwake.postgres

import io.kotest.core.spec.style.FunSpec
import kittiwake.KittiwakeSpi
import kittiwake.testing.TestDatabase
import kittiwake.testing.crashContract
import kittiwake.testing.handOverContract
import kittiwake.testing.jobStoreContract

@OptIn(KittiwakeSpi::class)
class PostgresJobStoreSpec :
    FunSpec({
        include(jobStoreContract { autoClose(TestDatabase.kittiwake()).store })
        include(handOverContract { autoClose(TestDatabase.kittiwake()).store })
        include(crashContract { limit -> autoClose(TestDatabase.kittiwake { crashLimit = limit }).store })
    })

package kittiwake.testing

import io.kotest.core.spec.style.FunSpec
import kittiwake.KittiwakeSpi

@OptIn(KittiwakeSpi::class)
class InMemoryJobStoreSpec :
    FunSpec({
        include(jobStoreContract { InMemoryJobStore() })
        include(handOverContract { InMemoryJobStore() })
        include(crashContract { InMemoryJobStore(crashLimit = it) })
    })

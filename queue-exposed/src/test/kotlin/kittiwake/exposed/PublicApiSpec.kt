package kittiwake.exposed

import io.kotest.core.spec.style.FunSpec
import kittiwake.testing.checkPublicApi
import kotlin.io.path.Path

class PublicApiSpec :
    FunSpec({
        test("the public API is what the dump says") {
            checkPublicApi(Path("api/queue-exposed.api"))
        }
    })

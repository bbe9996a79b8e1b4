package bench

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe

class ServerSpec :
    FunSpec({
        context("of a URL it tells the hosts and nothing else:") {
            val known =
                listOf(
                    "jdbc:postgresql://localhost:5433/jobs" to listOf("localhost"),
                    "jdbc:postgresql://one,two:5433/jobs?user=u&password=a:b" to listOf("one", "two"),
                    "jdbc:postgresql:jobs?user=u&password=a:b" to listOf("localhost"),
                    "jdbc:postgresql://[::1]/jobs" to listOf("[::1]"),
                )
            for ((url, hosts) in known) {
                test(url) { hostsOf(url) shouldBe hosts }
            }
        }
    })

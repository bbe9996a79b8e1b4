package kittiwake.postgres

import java.lang.reflect.InvocationTargetException
import java.lang.reflect.Proxy
import java.sql.Connection
import java.sql.PreparedStatement
import java.sql.SQLException

/**
 * A connection on which something happens between every query, or another [call], and its answer. Unless said otherwise
 * it takes effect and then fails, as when the network is cut.
 */
class LosesAnswers(
    real: Connection,
    private val call: String = "executeQuery",
    private val beforeAnswer: () -> Unit = { throw SQLException("the connection was lost", "08006") },
) {
    val connection: Connection =
        proxy(real) { name, result ->
            if (name == "prepareStatement") statement(result as PreparedStatement) else result
        }

    private fun statement(real: PreparedStatement): PreparedStatement = proxy(real) { name, result ->
        if (name == call) beforeAnswer()
        if (name == "getConnection") connection else result
    }

    private inline fun <reified T : Any> proxy(real: T, noinline answer: (String, Any?) -> Any?): T =
        Proxy.newProxyInstance(javaClass.classLoader, arrayOf(T::class.java)) { _, method, arguments ->
            val result =
                try {
                    method.invoke(real, *arguments.orEmpty())
                } catch (e: InvocationTargetException) {
                    throw e.targetException
                }
            answer(method.name, result)
        } as T
}

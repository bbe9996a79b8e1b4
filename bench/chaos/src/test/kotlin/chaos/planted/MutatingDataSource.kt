package chaos.planted

import java.lang.reflect.InvocationTargetException
import java.lang.reflect.Proxy
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicBoolean
import javax.sql.DataSource

/** Connections that change the library's statements by [mutations], count them, and can be told to fail. */
class MutatingDataSource(private val real: DataSource, private val mutations: List<Mutation> = emptyList()) :
    DataSource by real {
    private val refused = ConcurrentHashMap.newKeySet<String>()
    private val counts = ConcurrentHashMap<String, Int>()
    private val losesAnswer = AtomicBoolean()

    /** From now on statements called [verb] fail. */
    fun refuse(verb: String) {
        refused += verb
    }

    /** The next commit of what [COMPLETION] wrote takes effect, and its answer is lost. */
    fun loseNextAnswer() {
        losesAnswer.set(true)
    }

    /** How many statements called [verb] were begun. */
    fun begun(verb: String): Int = counts[verb] ?: 0

    override fun getConnection(): Connection = Mutating(real.connection).connection

    private inner class Mutating(private val real: Connection) {
        private var completes = false

        val connection: Connection =
            Proxy.newProxyInstance(javaClass.classLoader, arrayOf(Connection::class.java)) { _, method, arguments ->
                val sql = arguments?.firstOrNull() as? String
                when {
                    method.name == "prepareStatement" && sql != null ->
                        method.on(real, arrayOf(prepared(sql), *arguments.drop(1).toTypedArray()))
                    method.name == "commit" -> method.on(real, emptyArray()).also { committed() }
                    else -> method.on(real, arguments.orEmpty())
                }
            } as Connection

        private fun prepared(sql: String): String {
            val verb = Mutation.verbOf(sql) ?: return sql
            counts.merge(verb, 1, Int::plus)
            if (verb in refused) throw SQLException("\"$verb\" is refused", "57014")
            if (verb == COMPLETION) completes = true
            return mutations.fold(sql) { text, mutation -> mutation.applied(text) }
        }

        private fun committed() {
            val isLost = completes && losesAnswer.compareAndSet(true, false)
            if (isLost) throw SQLException("the connection was lost", "08006")
        }
    }

    private companion object {
        const val COMPLETION = "complete job"

        fun java.lang.reflect.Method.on(target: Any, arguments: Array<out Any?>): Any? = try {
            invoke(target, *arguments)
        } catch (e: InvocationTargetException) {
            throw e.targetException
        }
    }
}

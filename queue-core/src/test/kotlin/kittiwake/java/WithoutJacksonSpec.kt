package kittiwake.java

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.job.ArgsCodec
import kittiwake.testing.TestDatabase
import java.time.Duration
import java.util.function.Supplier
import javax.sql.DataSource

class WithoutJacksonSpec :
    FunSpec({
        test("a program without Jackson uses a codec of its own, and is told what to add for records") {
            val program = NoJacksonClassLoader().loadClass(Program::class.java.name)
            val constructor = program.getConstructor(DataSource::class.java, String::class.java)
            val run = constructor.newInstance(TestDatabase.dataSource, TestDatabase.freshSchema()) as Supplier<*>
            run.get() shouldBe
                listOf(
                    "hello",
                    "Job \"notes\" is not configured correctly:\n  - args: " +
                        "Jackson, which would read and write String, is not on the " +
                        "class path. Add the dependency " +
                        "com.fasterxml.jackson.core:jackson-databind, or give define(…) an ArgsCodec of your own",
                )
        }
    })

/** Loaded where there is no Jackson. */
class Program(private val database: DataSource, private val schema: String) : Supplier<List<String?>> {
    override fun get(): List<String?> = listOf(worked(), refused())

    private fun worked(): String? {
        val plainText =
            object : ArgsCodec<String> {
                override fun encode(value: String) = value

                override fun decode(text: String) = text
            }
        val note = define("notes", plainText, plainText).build()
        JobQueue::class.java.methods.size // Reflection resolves every type in a signature.
        JobQueue.connect(database, schema).use { queue ->
            queue.migrate()
            queue.worker("notes").queue("notes").handle(note) { args, _ -> done(args) }.start().use {
                return queue.await(queue.submit(note, "hello").id(), Duration.ofSeconds(30)).get().result(note)
            }
        }
    }

    private fun refused(): String? = try {
        define("notes", String::class.java).build().toString()
    } catch (e: IllegalArgumentException) {
        e.message
    }
}

/** Loads Kittiwake's classes anew, in a world without Jackson. */
private class NoJacksonClassLoader : ClassLoader(NoJacksonClassLoader::class.java.classLoader) {
    override fun loadClass(name: String, resolve: Boolean): Class<*> {
        if (name.startsWith("com.fasterxml.jackson.")) throw ClassNotFoundException(name)
        if (!name.startsWith("kittiwake.")) return super.loadClass(name, resolve)
        return synchronized(getClassLoadingLock(name)) { findLoadedClass(name) ?: defineOwn(name) }
    }

    private fun defineOwn(name: String): Class<*> {
        val file = parent.getResource(name.replace('.', '/') + ".class") ?: throw ClassNotFoundException(name)
        val bytes = file.readBytes()
        return defineClass(name, bytes, 0, bytes.size)
    }
}

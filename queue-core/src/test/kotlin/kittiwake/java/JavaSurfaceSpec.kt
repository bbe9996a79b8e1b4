package kittiwake.java

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContain
import io.kotest.matchers.string.shouldContain
import java.lang.reflect.Executable
import java.lang.reflect.Method
import java.lang.reflect.Modifier
import java.lang.reflect.ParameterizedType
import java.lang.reflect.Type
import java.lang.reflect.WildcardType
import java.nio.file.Path
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.nameWithoutExtension
import kotlin.time.Duration

/** What would not be fit for Java. */
private val kotlinOnly =
    listOf("kotlin.jvm.functions.", "kotlin.time.", "kotlin.coroutines.", "kotlinx.", "kotlin.Unit")

class JavaSurfaceSpec :
    FunSpec({
        val surface =
            classesOf(JobQueue::class.java)
                .filter { Modifier.isPublic(it.modifiers) && !it.isSynthetic }
                .flatMap { type -> (type.declaredMethods.toList() + type.declaredConstructors).filter(::isForJava) }

        test("is found at all") {
            surface.map { "${it.declaringClass.simpleName}.${it.name}" }.let {
                it shouldContain "JobQueue.enqueue"
                it shouldContain "Jobs.define"
                it shouldContain "JobAttempt.id"
            }
        }

        test("has no mangled name and no default argument") {
            surface.filter { it is Method && (it.name.contains('-') || it.name.contains('$')) }.shouldBeEmpty()
            classesOf(JobQueue::class.java)
                .filter { Modifier.isPublic(it.modifiers) }
                .flatMap { it.declaredMethods.toList() }
                .filter { it.name.endsWith("\$default") }
                .shouldBeEmpty()
        }

        test("has no continuation, Kotlin function type, Kotlin time or Unit in it") {
            surface
                .filter { executable ->
                    typesOf(executable).any { name -> kotlinOnly.any(name::startsWith) }
                }.shouldBeEmpty()
        }

        test("would be noticed if it had") {
            val waits = Leaky::class.java.declaredMethods.single { it.name.startsWith("waitFor") }
            val suspends = Leaky::class.java.declaredMethods.single { it.name.startsWith("later") }
            waits.name shouldContain "-"
            typesOf(waits) shouldContain "kotlin.jvm.functions.Function0"
            typesOf(suspends) shouldContain "kotlin.coroutines.Continuation"
            typesOf(suspends) shouldContain "kotlin.time.Duration"
        }
    })

@Suppress("unused")
private class Leaky {
    fun waitFor(delay: Duration, then: () -> Unit) = println(delay).also { then() }

    suspend fun later(): List<Duration> = listOf()
}

private fun classesOf(member: Class<*>): List<Class<*>> {
    val classes = Path.of(member.protectionDomain.codeSource.location.toURI())
    return classes
        .resolve(member.packageName.replace('.', '/'))
        .listDirectoryEntries("*.class")
        .map { Class.forName("${member.packageName}.${it.nameWithoutExtension}") }
}

private fun isForJava(executable: Executable) = Modifier.isPublic(executable.modifiers) && !executable.isSynthetic

private fun typesOf(executable: Executable): List<String> {
    val answer = if (executable is Method) namesIn(executable.genericReturnType) else listOf()
    return answer + executable.genericParameterTypes.flatMap(::namesIn)
}

private fun namesIn(type: Type): List<String> = when (type) {
    is ParameterizedType -> namesIn(type.rawType) + type.actualTypeArguments.flatMap(::namesIn)
    is WildcardType -> (type.lowerBounds + type.upperBounds).flatMap(::namesIn)
    else -> listOf(type.typeName)
}

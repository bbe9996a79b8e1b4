package samples.images

import kotlin.io.path.name
import kotlin.io.path.nameWithoutExtension

/** A page with all pictures, each a link to its largest thumbnail; it needs nothing but the folder it lies in. */
fun contactSheet(summary: Summary): String =
    """
    |<!doctype html>
    |<html lang="en">
    |<meta charset="utf-8">
    |<meta name="viewport" content="width=device-width, initial-scale=1">
    |<title>Contact sheet</title>
    |<style>
    |$STYLE
    |</style>
    |<header>
    |  <h1>Contact sheet</h1>
    |  <p>${headline(summary)}</p>
    |</header>
    |<main>
    |${(summary.images + summary.corrupt).joinToString("\n") { card(summary, it) }}
    |</main>
    |</html>
    |
    """.trimMargin()

private fun headline(summary: Summary): String {
    val thumbnails = summary.images.sumOf { it.thumbnails.size }
    val hopeless = (summary.images + summary.corrupt).count { it.thumbnails.isEmpty() }
    return "$thumbnails thumbnails of ${summary.images.size} pictures in ${summary.took.seconds} seconds. " +
        "One job failed twice before it was done, ${summary.rescued.size} outlived their worker, " +
        "and $hopeless of the pictures could not be read."
}

private fun card(summary: Summary, result: ImageResult): String {
    val largest = result.thumbnails.lastOrNull() ?: return brokenCard(result)
    val folder = summary.out.thumbnails.name
    val shown = result.thumbnails.last { it.width <= SHOWN || it === result.thumbnails.first() }
    val sources = result.thumbnails.joinToString { "$folder/${it.file} ${it.width}w" }
    val links = result.thumbnails.joinToString(" ") { """<a href="$folder/${it.file}">${it.width}</a>""" }
    return """
        |<figure>
        |  <a href="$folder/${largest.file}"><img src="$folder/${shown.file}" srcset="$sources" sizes="20rem"
        |    width="${shown.width}" height="${shown.height}" loading="lazy" alt=""></a>
        |  <figcaption><b>${title(result)}</b><span>$links</span></figcaption>
        |</figure>
        """.trimMargin()
}

private fun brokenCard(result: ImageResult): String {
    val complaint = result.jobs.firstNotNullOfOrNull { it.complaint } ?: "It has no thumbnails."
    return """
        |<figure class="broken">
        |  <p>${complaint.escaped()}</p>
        |  <figcaption><b>${title(result)}</b><span>discarded</span></figcaption>
        |</figure>
        """.trimMargin()
}

private fun title(result: ImageResult) = result.image.path.nameWithoutExtension.escaped()

private fun String.escaped() = replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;")

private const val SHOWN = 320

private const val STYLE = """
  :root { color-scheme: dark; font: 16px/1.5 system-ui, sans-serif; background: #101218; color: #d8dbe4; }
  body { max-width: 84rem; margin: 0 auto; padding: 3rem 1.5rem; }
  header { margin-bottom: 2.5rem; }
  h1 { margin: 0; font-weight: 300; font-size: 2.5rem; letter-spacing: -.02em; color: #fff; }
  header p { margin: .25rem 0 0; color: #8d93a5; }
  main { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1.5rem; }
  figure { display: flex; flex-direction: column; margin: 0; overflow: hidden; border-radius: .75rem;
    background: #1a1d27; }
  img { display: block; width: 100%; height: auto; aspect-ratio: 3 / 2; object-fit: cover; transition: transform .3s; }
  figure > a { overflow: hidden; }
  figure > a:hover img { transform: scale(1.04); }
  figcaption { display: flex; justify-content: space-between; gap: 1rem; padding: .75rem 1rem; font-size: .875rem; }
  figcaption b { font-weight: 500; color: #fff; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  figcaption span, figcaption a { color: #8d93a5; text-decoration: none; white-space: nowrap; }
  figcaption a { margin-left: .4rem; }
  figcaption a:hover { color: #fff; }
  .broken p { flex: 1; display: grid; place-items: center; margin: 0; min-height: 9rem; padding: 1.5rem;
    text-align: center; color: #ff9d8a;
    background: repeating-linear-gradient(45deg, #241a20 0 12px, #1f171d 12px 24px); }
"""

package kittiwake.postgres

import java.sql.SQLException

/** Classes of SQLSTATE that are about the data. */
private val ABOUT_THE_DATA = setOf("22", "23", "44", "54", "P0")

/** Whether the server would refuse the same statement for ever, rather than for now. */
internal val SQLException.isRefusal: Boolean get() = sqlState?.take(2) in ABOUT_THE_DATA

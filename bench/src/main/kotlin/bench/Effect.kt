package bench

import org.jetbrains.exposed.v1.core.Table

/** Where transactional handlers write: a row for each number. */
internal object Effect : Table("$SCHEMA.effect") {
    val number = integer("number")
    val text = text("text")
    override val primaryKey = PrimaryKey(number)

    const val CREATE = "create table $SCHEMA.effect (number int primary key, text text not null)"
    const val INSERT = "insert into $SCHEMA.effect (number, text) values (?, ?)"
}

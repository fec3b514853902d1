// The store in a SQL database

// Package sqlstate keeps the state of entities in PostgreSQL or SQLite: for services that
// have such a database, and do not want to run a second system. It is a module of its own.
//
//	store, err := sqlstate.Open(ctx, sqlstate.Options{URL: "postgres://user:secret@localhost/app"})
//	store, err := sqlstate.Open(ctx, sqlstate.Options{URL: "sqlite:/var/lib/app/state.db"})
//	if err != nil { ... }
//	defer store.Close()
//
// Open makes the tables: clstr_sign (cluster and layout), clstr_fence (a row of each shard),
// clstr_newest (records and reminders), clstr_list (events, mail, parked mail, spilled commands) and
// clstr_mail (IDs of mail from outside). State and messages are in the column body, and the data of
// clstr in the column head, as JSON. Kinds and keys are bytes.
//
// # Commits
//
// Changes that arrive while a transaction runs go together into the next one. A transaction locks
// the rows of all shards that it touches, in order, and compares their fences: it leaves out the
// changes of a deposed owner, and stores the others. The row of the shard counts revisions, so a
// change with a lower revision is never stored later.
//
// PostgreSQL indexes a kind and a key of about 2,600 bytes together, or of more if it can compress them. A change with a longer key
// is refused ([state.ErrTooLarge]), and with it its whole transaction. So changes with long keys do not go together with others.
//
// # Watches
//
// Watches ask the database each second, and after a reconnect. In PostgreSQL a group also sends one
// NOTIFY that names the shards that it has touched. A store with watches listens on a connection of
// its own, and then asks at once. The notification is only a hint. Set NoNotify if a pooler does not
// pass it on, or if commits are too slow because they wait for PostgreSQL's one lock of
// notifications.
//
// SQLite is for the nodes of one machine, and better for one process. Both databases must
// write to disk before they answer: synchronous_commit must be on, as it is by default.
//
// Package state/statetest tests it.
package sqlstate

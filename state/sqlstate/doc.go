// The store in a SQL database

// Package sqlstate keeps the state of entities in PostgreSQL or SQLite: for services that
// have such a database, and want no second thing to keep. It is a module of its own.
//
//	store, err := sqlstate.Open(ctx, sqlstate.Options{URL: "postgres://user:secret@localhost/app"})
//	store, err := sqlstate.Open(ctx, sqlstate.Options{URL: "sqlite:/var/lib/app/state.db"})
//	if err != nil { ... }
//	defer store.Close()
//
// Open makes the tables: clstr_sign (cluster and layout), clstr_fence (a row of each shard),
// clstr_newest (records and reminders), clstr_list (events, mail, parked mail, spilled commands) and
// clstr_mail (IDs of mail from outside). State and messages are in the column body, and what is
// clstr's in head, as JSON. Kinds and keys are bytes.
//
// # Commits
//
// What comes while a transaction runs goes together into the next one. It locks the rows of all
// shards that it touches, in order, and compares their fences: a change of a deposed owner is
// left out, the others are stored. Revisions are counted in the row of the shard, so what has a lower
// one is never stored later.
//
// # Watches
//
// They ask the database, each second, and after a reconnect. In PostgreSQL a group also sends one
// NOTIFY that names the shards that it has touched. A store that watches listens on a connection of its own, and asks at
// once. That is a hint only: set NoNotify where a pooler does not pass it on, or where commits that
// wait for PostgreSQL's one lock of notifications are too slow.
//
// SQLite is for the nodes of one machine, better of one process. Both need their databases to
// write to disk before they answer: synchronous_commit must be on, as it is by default.
//
// Package state/statetest tests it.
package sqlstate

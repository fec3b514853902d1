// Package chaos tests clusters of real processes: a NATS server and five nodes,
// each a process, under load, while nodes are killed, paused, restarted, flooded and cut
// off. Planned restarts also run with three servers, the callers' 50 ms away from
// the nodes': what one server says the other hears late. What the callers saw is checked by porcupine, and what the nodes ran by
// their logs. It is nothing but tests:
//
//	go test ./internal/chaos -v           each nemesis once, with fast timing
//	go test ./internal/chaos -v -long     the default timing, each three times
//
// The counters of TestChaos are kept in a key-value bucket and written with compare-and-set, as a
// service would that must not lose one. Those of TestDurableChaos are durable entities, and each
// command has an ID: what was answered is stored, once, and nothing else is.
// docs/reliability.md holds the tables.
package chaos

// Package hosting is what nodes and handlers of keys have in common: handlers of package
// handlers are made with [Handler], a node binds them to its lifetime with [Bind], and ends
// what they host with [End], shard by shard in between. Package handlers has the names that
// users need, and the tests.
package hosting

// Package hosting connects nodes and the handlers of keys. Package handlers makes its handlers
// with [Handler]. A node binds them to its lifetime with [Bind], and ends
// the keys that they host with [End]. Before that, keys may end shard by shard. Package handlers has
// the names that users need, and the tests.
package hosting

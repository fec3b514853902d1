// Package ownership decides which node owns which shard: leases, shard records with
// epochs, claims, hand-over, and what a node does when it is late. It is arithmetic: a
// [Core] takes events and returns effects, does no I/O and reads no clock. Package
// coordinator runs one for each node. The simulation in this package's tests runs many
// against a seed.
//
// # How it works
//
// A node keeps one record, renews it, and may serve as long as its last renewal,
// counted from the moment it was sent, is younger than its lease less a margin.
// Another declares it dead by a write on the very version that has not changed
// for longer than the lease: a renewal that comes first wins. Dead is final for
// that incarnation. A shard's record names an owner and an epoch, and only two
// write it: its owner, which hands it over, and the node that claims it from an owner that is
// dead or has left. Which node should own a shard is rendezvous hashing over the members
// that take shards; views of these may differ for a while, which costs moves and
// never safety, because a write with an old revision fails.
//
// # All leave
//
// A node that leaves says so in its record, and looks at the others' before it hands
// anything over. The revisions of these records are the order in which nodes leave. If
// nobody takes shards any more, the last in that order should own all of them. It
// keeps them until no other member owns any, and then releases them together.
//
// # Records that are lost
//
// An epoch is a base and a count. The count grows by one with each owner, each of
// which is one write, so it never exceeds the revision of the record. A record that
// was removed or overwritten by others is written anew with the count 0, which every
// reader takes as that version's revision: above all before it. The shard is opened
// when each other member has said that it has seen the records up to there. The base
// stands in the configuration, and is the moment at which the store was made: epochs
// of a store that was lost are below those of the one that is made after it. A node
// that remembers higher ones, because a store was restored from a backup, raises the
// base before it claims anything, and all shards move above it.
//
// What is promised, and under which assumptions, stands in docs/reliability.md.
package ownership

// Package ownership decides which node owns which shard: leases, shard records with
// epochs, claims, hand-over, and what a node does when it is late. It is arithmetic: a
// [Core] takes events and returns effects, does no I/O and reads no clock. Package
// coordinator runs one for each node. The simulation in this package's tests runs many
// against a seed.
//
// # How it works
//
// A node keeps one record and renews it. It may serve as long as its last renewal,
// counted from the moment it was sent, is younger than its lease less a margin.
// Another node declares it dead by a write on the very version that has not changed
// for longer than the lease, so a renewal that comes first wins. Dead is final for
// that incarnation. A shard's record names an owner and an epoch. Only two nodes
// write it: its owner, which hands it over, and the node that claims it from an owner that is
// dead or has left. Rendezvous hashing over the members that take shards says which node should own
// a shard. The nodes' views of these members may differ for a while. That costs moves and
// never safety, because a write with an old revision fails.
//
// # All leave
//
// A node that leaves says so in its record, and looks at the other records before it hands
// anything over. The revisions of these records give the order in which nodes leave. If
// no node takes shards any more, the last node in that order should own all of them. It
// keeps them until no other member owns any, and then releases them together.
//
// # Records that are lost
//
// An epoch is a base and a count. The count grows by one with each owner. Each new owner is
// one write, so the count never exceeds the revision of the record. A record that
// was removed or overwritten by others is written anew with the count 0. Readers take that
// version's revision as its count, which is above all counts before. The shard is opened
// when each other member has said that it has seen the records up to that revision. The base
// stands in the configuration, and is the moment at which the store was made. So the epochs
// of a lost store are below those of the store that is made after it. A store may also be restored
// from a backup. A node that remembers higher epochs then raises the
// base before it claims anything, and all shards move above it.
//
// What is promised, and under which assumptions, stands in docs/reliability.md.
package ownership

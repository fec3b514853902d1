// Store, the seam to the outside

package membership

import (
	"context"
	"errors"
)

// Entry is one version of a record.
type Entry struct {
	Key string
	// Rev is the revision of this version, 0 for a record that is not there.
	// Revisions grow across all records of a store.
	Rev   uint64
	Value []byte
}

// ErrConflict: a write did not happen, because the record had another revision
// than the writer thought.
var ErrConflict = errors.New("record has changed")

// ErrNoRecords: the store works, and what it kept the records in is not there any
// more: a bucket that was deleted, a server that has lost its disk.
var ErrNoRecords = errors.New("the records of the cluster are gone")

// ErrForeignKinds: the members of the cluster that are there host other kinds than
// the node, and none that it hosts: two services have one prefix. Give each its own, or
// drain all members before the first node with the new kinds starts.
var ErrForeignKinds = errors.New("the cluster's members host other kinds")

// ErrOtherStore: other nodes serve shards under this node's subjects, and have their
// records in another store: the prefixes of store and transport do not belong together.
// Give all nodes of a cluster the same two.
var ErrOtherStore = errors.New("the cluster under these subjects has its records in another store")

// ErrSuperseded: a newer process with the node's name has joined and taken over.
// Give each node a name of its own, or take it as the end of a deploy.
var ErrSuperseded = errors.New("superseded by a newer process with the node's name")

// Store keeps the records of one cluster. Every decision is a Write; Snapshot
// and Watch may be late or, for Watch, lose something, and cost nothing but time.
// Implementations are safe for concurrent use and end each call with its context.
type Store interface {
	// Write replaces a record if it has the revision rev, 0 for one that must
	// not be there, and returns the new revision. A nil value removes the
	// record. Errors are ErrConflict, after which nothing was written, or
	// others, after which it may have been or may still be.
	Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error)
	// Read returns the newest version of a record; Rev is 0 if there is none.
	Read(ctx context.Context, key string) (Entry, error)
	// Snapshot returns the records under a prefix as they were at one moment,
	// and the revision that the store had reached then: it contains every
	// write up to that.
	Snapshot(ctx context.Context, prefix string) (entries []Entry, asOf uint64, err error)
	// Watch calls f with what is written from now on, until stop, after which f
	// is not called. Versions of one record come in order; f must not block.
	Watch(f func(Entry)) (stop func(), err error)
}

// ConnectionStore is implemented by stores that are reached through a server.
type ConnectionStore interface {
	// Reconnect leaves the server, which may be one that hangs, for another or for the
	// same. Operations that wait for it end with an error after which they may have
	// happened. A node calls it when renewals of its lease stay without an answer.
	Reconnect()
}

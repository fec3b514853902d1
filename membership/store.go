// Store, the seam to the outside

package membership

import (
	"context"
	"errors"
)

// Entry is one version of a record.
type Entry struct {
	Key string
	// Rev is the revision of this version, or 0 if the record does not exist. Revisions
	// grow across all records of a store.
	Rev uint64
	// Value stays as it is: neither the store nor its reader changes the bytes.
	Value []byte
}

// ErrConflict: nothing was written, because the record did not have the revision that
// the writer expected.
var ErrConflict = errors.New("record has changed")

// ErrNoRecords: the store works, but the place that held its records is gone. A bucket
// was deleted, for example, or a server has lost its disk.
var ErrNoRecords = errors.New("the records of the cluster are gone")

// ErrForeignKinds: the cluster's live members host none of the node's kinds, so two
// services share one prefix. Give each service its own prefix, or drain all members
// before the first node with the new kinds starts.
var ErrForeignKinds = errors.New("the cluster's members host other kinds")

// ErrOtherStore: other nodes serve shards under this node's subjects, but keep their
// records in another store. The prefixes of store and transport do not belong together:
// give all nodes of a cluster the same two.
var ErrOtherStore = errors.New("the cluster under these subjects has its records in another store")

// ErrSuperseded: a newer process with the node's name has joined and taken over. Give
// each node a name of its own. In a deploy that reuses names, this is the normal end of
// the old process.
var ErrSuperseded = errors.New("superseded by a newer process with the node's name")

// Store keeps the records of one cluster. All decisions are Writes. Snapshot may be
// late, and Watch may be late or miss versions: that costs time and nothing else.
// Implementations are safe for concurrent use, and end each call when its context ends. A call that
// panics, or ends its goroutine, is treated as if it had returned an unknown error.
type Store interface {
	// Write replaces a record that has the revision rev, and returns the new revision.
	// rev is 0 for a record that must not exist. A nil value removes the record. After
	// ErrConflict nothing was written. After any other error the value may have been
	// written, or may be written later.
	Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error)
	// Read returns the newest version of a record. Rev is 0 if there is none.
	Read(ctx context.Context, key string) (Entry, error)
	// Snapshot returns the records under a prefix as they were at one moment, and the
	// revision that the store had reached then. It contains every write up to that
	// revision.
	Snapshot(ctx context.Context, prefix string) (entries []Entry, asOf uint64, err error)
	// Watch calls f with each version that is written from now on. After stop has
	// returned, f is not called. Versions of one record come in order. f must not
	// block.
	Watch(f func(Entry)) (stop func(), err error)
}

// PassingStore is a store whose records do not outlive the process, so that each process
// begins a cluster of its own. Its clusters have no identity: state that was stored by an
// earlier process is the next one's too.
type PassingStore interface {
	// Passing does nothing.
	Passing()
}

// ConnectionStore is a store that is reached through a server.
type ConnectionStore interface {
	// Reconnect drops the connection, because the server may hang, and connects to
	// another server or to the same one. Operations that wait for the server end with
	// an error after which they may have happened. A node calls Reconnect when the
	// renewals of its lease get no answer.
	Reconnect()
}

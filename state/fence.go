// Fence and Signature: what a store decides about owners, for all backends

package state

import (
	"crypto/rand"
	"fmt"
)

// Fence is what a store keeps about a shard's owner. The zero fence belongs to a shard that
// nothing has opened yet.
type Fence struct {
	Cluster string `json:"cluster,omitempty"`
	Epoch   uint64 `json:"epoch"`
	N       uint64 `json:"n"`
	By      string `json:"by"`
}

// Move returns the fence that an Open puts in place of f, if nothing has replaced f meanwhile.
func (f Fence) Move(shard uint32, o Owner, held Token) (Fence, error) {
	switch next := (Fence{o.Cluster, o.Epoch, f.N + 1, held.By}); {
	case held != Token{} && (held.By != f.By || held.N > f.N):
		return f, fmt.Errorf("%w: shard %d was opened in epoch %d", ErrDeposed, shard, f.Epoch)
	case held != Token{}: // its own, or moved by a try that had no answer
		return next, nil
	case o.Cluster != "" && o.Cluster == f.Cluster && o.Epoch < f.Epoch:
		return f, fmt.Errorf("%w: shard %d was opened in epoch %d, after %d", ErrDeposed, shard, f.Epoch, o.Epoch)
	default:
		next.By = rand.Text()
		return next, nil
	}
}

// Token is the right that the fence gives. rev is the fence's revision.
func (f Fence) Token(shard uint32, rev Rev) Token {
	return Token{Shard: shard, Epoch: f.Epoch, N: f.N, By: f.By, Rev: rev}
}

// Signature is what a store keeps about the cluster that uses it.
type Signature struct {
	Cluster string `json:"cluster,omitempty"`
	Layout  string `json:"layout,omitempty"`
}

// Admit returns the signature that the store has after o opens a shard anew, or an error. With
// adopt, a cluster takes over the state of another.
func (s Signature) Admit(o Owner, adopt bool) (Signature, error) {
	if s.Layout == "" {
		s.Layout = o.Layout
	}
	switch {
	case o.Layout != "" && o.Layout != s.Layout:
		return s, fmt.Errorf("%w: %s, this node has %s", ErrOtherLayout, s.Layout, o.Layout)
	case s.Cluster == "" || s.Cluster == o.Cluster || adopt:
		s.Cluster = o.Cluster
		return s, nil
	case o.Cluster == "":
		return s, fmt.Errorf("%w: %s, and this node has no membership; the store's option Adopt takes it over", ErrOtherCluster, s.Cluster)
	default:
		return s, fmt.Errorf("%w: %s, this node's is %s; the store's option Adopt takes it over", ErrOtherCluster, s.Cluster, o.Cluster)
	}
}

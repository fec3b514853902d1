// Things by shard, found without a lock

// Package shardtable finds things by shard without a lock: on the path of every
// request, at each of a cluster's ends. The tests are in shardtable_test.go.
package shardtable

import (
	"sync"
	"sync/atomic"
)

const (
	pageSize  = 512
	pageCount = 2048 // pages that are found by index: shards below 1<<20
)

type page[T any] [pageSize]atomic.Pointer[T]

// Table maps shards to values. The zero value is empty and ready to use; it must
// not be copied. Its methods are safe for concurrent use. Shards from 1<<20 on
// cost more.
type Table[T any] struct {
	root atomic.Pointer[[pageCount]atomic.Pointer[page[T]]]

	mu  sync.Mutex // held while pages are made
	far sync.Map   // uint32 -> *atomic.Pointer[T]
}

// Get returns what stands under the shard, nil if nothing does.
func (t *Table[T]) Get(shard uint32) *T {
	if p := t.find(shard); p != nil {
		return p.Load()
	}
	return nil
}

// Set puts v under the shard; nil removes what stands there.
func (t *Table[T]) Set(shard uint32, v *T) {
	p := t.find(shard)
	switch {
	case p != nil:
		p.Store(v)
	case v != nil:
		t.make(shard).Store(v)
	}
}

func (t *Table[T]) find(shard uint32) *atomic.Pointer[T] {
	if shard >= pageCount*pageSize {
		if p, ok := t.far.Load(shard); ok {
			return p.(*atomic.Pointer[T])
		}
		return nil
	}
	if root := t.root.Load(); root != nil {
		if p := root[shard/pageSize].Load(); p != nil {
			return &p[shard%pageSize]
		}
	}
	return nil
}

func (t *Table[T]) make(shard uint32) *atomic.Pointer[T] {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.find(shard); p != nil {
		return p
	}
	if shard >= pageCount*pageSize {
		p := new(atomic.Pointer[T])
		t.far.Store(shard, p)
		return p
	}
	root := t.root.Load()
	if root == nil {
		root = new([pageCount]atomic.Pointer[page[T]])
		t.root.Store(root)
	}
	p := new(page[T])
	root[shard/pageSize].Store(p)
	return &p[shard%pageSize]
}

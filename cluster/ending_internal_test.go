package cluster

import "testing"

// TestShardsEndTogether: a shard's keys end when the calls of all shards have come to
// rest that are known to end by then; one that comes later waits for those of its own time.
func TestShardsEndTogether(t *testing.T) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	var all together
	if all.has(1) || all.rests(1) != nil {
		t.Error("a shard is said to end that nobody has told of")
	}
	all.expect([]uint32{1, 2})
	first := all.rests(1)
	all.expect([]uint32{2, 3}) // 2 twice
	if closed(first) || all.rests(1) != nil {
		t.Error("the first shard did not wait, or waits twice")
	}
	second, third := all.rests(2), all.rests(3)
	if !closed(first) || !closed(second) || !closed(third) {
		t.Error("all have come to rest, and a shard waits still")
	}
	all.expect([]uint32{4, 5})
	fourth := all.rests(4)
	if closed(fourth) {
		t.Error("a shard that came later did not wait")
	}
	if fifth := all.rests(5); !closed(fourth) || !closed(fifth) || !all.has(1) || !all.has(5) {
		t.Error("the later shards wait still, or the earlier are forgotten")
	}
}

package standing

import "testing"

// TestShardsEndTogether: a shard's keys end when the calls of all shards have come to
// rest that are known to end by then. A shard that comes later waits for those of its time.
func TestShardsEndTogether(t *testing.T) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	var none *Together
	if all := new(Together); all.Has(1) || all.Rest(1) != nil || all.Join(1) || none.Has(1) || none.Rest(1) != nil || none.Join(1) {
		t.Error("a shard is said to end that was never expected")
	}
	all := new(Together)
	all.Expect([]uint32{1, 2})
	first := all.Rest(1)
	if more := all.Expect([]uint32{2, 3}); more != 1 { // 2 twice
		t.Errorf("%d shards more, want 1", more)
	}
	if closed(first) || all.Rest(1) != nil {
		t.Error("the first shard did not wait, or waits twice")
	}
	second, third := all.Rest(2), all.Rest(3)
	if !closed(first) || !closed(second) || !closed(third) {
		t.Error("all have come to rest, and a shard waits still")
	}
	all.Expect([]uint32{4, 5})
	fourth := all.Rest(4)
	if closed(fourth) {
		t.Error("a shard that came later did not wait")
	}
	if fifth := all.Rest(5); !closed(fourth) || !closed(fifth) || !all.Has(1) || !all.Has(5) {
		t.Error("the later shards wait still, or the earlier are forgotten")
	}
}

// TestAShardJoinsOnce: it joins the end of the others once. One that was never served is
// not waited for, and one that comes back is waited for again.
func TestAShardJoinsOnce(t *testing.T) {
	all := new(Together)
	all.Expect([]uint32{1, 2})
	rest := all.Rest(1)
	if !all.Join(1) || all.Join(1) || !all.Has(1) {
		t.Error("a shard does not join once")
	}
	if !all.Join(2) {
		t.Error("a shard that was never served does not join")
	}
	select {
	case <-rest:
	default:
		t.Error("a shard that was never served is waited for")
	}
	if more := all.Expect([]uint32{1}); more != 1 || all.Rest(1) == nil || !all.Join(1) {
		t.Error("a shard that has come back does not end with the others")
	}
}

// commits: Store.Commit

package natsstate

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/state"
)

// Headers of JetStream.
const (
	hdrExpected   = "Nats-Expected-Last-Subject-Sequence"
	hdrExpectedOf = "Nats-Expected-Last-Subject-Sequence-Subject"
	hdrRollup     = "Nats-Rollup"
	hdrTTL        = "Nats-TTL"
	hdrMsgID      = "Nats-Msg-Id"
	hdrBatch      = "Nats-Batch-Id"
	hdrBatchSeq   = "Nats-Batch-Sequence"
	hdrBatchEnd   = "Nats-Batch-Commit"
	hdrSubject    = "Nats-Subject"
	hdrSequence   = "Nats-Sequence"
	hdrTime       = "Nats-Time-Stamp"
	hdrPending    = "Nats-Num-Pending"
	hdrUpTo       = "Nats-UpTo-Sequence"
)

// How much goes into one group of changes.
const (
	groupChanges = 250
	groupBytes   = 256 << 10
	groupParts   = 900 // a server takes 1,000
)

// commits stores changes.
type commits struct {
	names
	mux    *mux
	floors *floors
	client bool
	group  *state.Group // nil: changes go side by side

	batches sync.Mutex // the messages of a batch leave one after the other
}

func newCommits(n names, m *mux, f *floors, grouped, client bool) *commits {
	c := &commits{names: n, mux: m, floors: f, client: client}
	if grouped {
		c.group = state.NewGroup(groupChanges, groupBytes, c.store)
	}
	return c
}

func (c *commits) close() {
	if c.group != nil {
		c.group.Close()
	}
}

// Commit implements [state.Store].
func (c *commits) Commit(change state.Change, done func(state.Rev, error)) {
	switch err := change.Check(); {
	case c.client:
		done(0, errClient)
	case err != nil:
		done(0, err)
	case c.group != nil:
		c.group.Commit(change, done)
	default:
		shard, parts, drop := change.Token.Shard, change.Parts(), change.Drop // what waits holds no more of it
		c.publish(c.messages(change), func(a ack, err error) {
			done(c.stored(shard, parts, drop, a, err))
		})
	}
}

// stored is called with the answer to a change.
func (c *commits) stored(shard uint32, parts int, drop []state.Ref, a ack, err error) (state.Rev, error) {
	if err != nil {
		return 0, verdict(err)
	}
	c.floors.raise(shard, state.Rev(a.Seq))
	for _, d := range drop {
		c.drop(d)
	}
	return state.Rev(a.Seq) - state.Rev(parts-1), nil // a batch has sequences in a row
}

// drop removes mail that is done. If that fails, nothing is wrong: the record says what is done.
func (c *commits) drop(d state.Ref) {
	m := nats.NewMsg(apiDelete + c.stream(d.Place))
	m.Data = fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, d.Rev)
	c.mux.publish(m, func(ack, error) {})
}

// messages returns the messages of a change; the first carries the fence.
func (c *commits) messages(change state.Change) []*nats.Msg {
	es := state.Entries(change)
	msgs := make([]*nats.Msg, len(es))
	for i := range es {
		msgs[i] = c.message(&es[i])
	}
	fence(msgs[0], c.fence(change.Token.Shard), change.Token.Rev)
	return msgs
}

func fence(m *nats.Msg, subject string, rev state.Rev) {
	m.Header[hdrExpected] = []string{strconv.FormatUint(uint64(rev), 10)}
	m.Header[hdrExpectedOf] = []string{subject}
}

func (c *commits) message(e *state.Entry) *nats.Msg {
	m := nats.NewMsg(c.subject(e.Place, tail(e.Place, e.Shard, token(e.Kind)+"."+token(e.Key))))
	setNames(m.Header, e.Kind, e.Key)
	switch e.Place {
	case state.Reminders, state.Spilled: // ours alone
		m.Data = e.Head()
	default:
		m.Header[hdrHead] = []string{string(e.Head())}
		m.Data = e.Body()
	}
	ttl := e.TTL
	if e.Place == state.Reminders && len(e.Reminders) == 0 {
		ttl = time.Second
	}
	if ttl > 0 {
		m.Header[hdrTTL] = []string{strconv.Itoa(int(ttl / time.Second))}
	}
	if e.Place == state.Records || e.Place == state.Reminders {
		m.Header[hdrRollup] = []string{"sub"}
	}
	return m
}

// publish sends messages as one. Several messages go as an atomic batch, and the answer is to the last of them.
func (c *commits) publish(msgs []*nats.Msg, done func(ack, error)) {
	for _, m := range msgs {
		if int64(len(m.Data)+headerSize(m.Header)) > c.mux.nc.MaxPayload() {
			done(ack{}, fmt.Errorf("%w: the server takes messages of %d bytes", state.ErrTooLarge, c.mux.nc.MaxPayload()))
			return
		}
	}
	last := msgs[len(msgs)-1]
	if len(msgs) == 1 {
		c.mux.publish(last, done)
		return
	}
	c.mux.gate.Enter(func() { c.publishBatch(msgs, done) })
}

// publishBatch is called inside the gate.
func (c *commits) publishBatch(msgs []*nats.Msg, done func(ack, error)) {
	last := msgs[len(msgs)-1]
	id := rand.Text()
	c.batches.Lock()
	defer c.batches.Unlock()
	for i, m := range msgs {
		m.Header[hdrBatch] = []string{id}
		m.Header[hdrBatchSeq] = []string{strconv.Itoa(i + 1)}
		if m == last {
			m.Header[hdrBatchEnd] = []string{"1"}
			break
		}
		if err := c.mux.nc.PublishMsg(m); err != nil {
			c.mux.gate.Leave()
			done(ack{}, err)
			return
		}
	}
	c.mux.publishNow(last, done)
}

// headerSize is how many bytes headers are on the wire, or a few more.
func headerSize(h nats.Header) int {
	n := 64 // and what publish adds
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}

// store commits a group: in batches across shards, and, where the server refuses one, token by
// token.
func (c *commits) store(cs []state.Change) []state.Result {
	results := make([]state.Result, len(cs))
	for from := 0; from < len(cs); {
		to, parts := from, 0
		for to < len(cs) && (to == from || parts+cs[to].Parts() <= groupParts) {
			parts += cs[to].Parts()
			to++
		}
		all := make([]int, 0, to-from)
		for i := from; i < to; i++ {
			all = append(all, i)
		}
		if err := c.together(cs, all, results); state.Refused(err) && len(all) > 1 {
			for _, some := range byToken(cs, all) { // nothing of it is stored: one stale fence refuses all
				if err := c.together(cs, some, results); state.Refused(err) && len(some) > 1 && !errors.Is(err, state.ErrDeposed) {
					for _, i := range some { // one may be too large, or the last that fits
						_ = c.together(cs, []int{i}, results)
					}
				}
			}
		}
		from = to
	}
	return results
}

func byToken(cs []state.Change, all []int) [][]int {
	var groups [][]int
	at := map[state.Token]int{}
	for _, i := range all {
		g, ok := at[cs[i].Token]
		if !ok {
			g = len(groups)
			at[cs[i].Token] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}

// together stores some changes in one batch, and waits. Each shard's fence is checked once, because
// a batch is stored at one moment: no fence can move in the middle of it.
func (c *commits) together(cs []state.Change, some []int, results []state.Result) error {
	var msgs []*nats.Msg
	fenced := map[state.Token]bool{}
	for _, i := range some {
		ms := c.messages(cs[i])
		if fenced[cs[i].Token] {
			delete(ms[0].Header, hdrExpected)
			delete(ms[0].Header, hdrExpectedOf)
		}
		fenced[cs[i].Token] = true
		msgs = append(msgs, ms...)
	}
	answer, refusal := c.publishPatiently(msgs)
	var err error
	left := len(msgs)
	for _, i := range some {
		var rev state.Rev
		a := answer
		if refusal == nil {
			left -= cs[i].Parts()
			a.Seq -= uint64(left) // that of its own last
		}
		if rev, err = c.stored(cs[i].Token.Shard, cs[i].Parts(), cs[i].Drop, a, refusal); err != nil {
			results[i] = state.Result{Err: err}
			continue
		}
		results[i] = state.Result{Rev: rev}
	}
	return err
}

// underWay is how long a batch is published again if the server refuses it because a
// write with the same fence has not reached all replicas yet. The server refuses it so even for
// a moment after it has acknowledged that write.
const underWay = time.Second

// publishPatiently is publish for callers that wait. The server stores nothing of a batch that it
// refuses, so the same messages may go again.
func (c *commits) publishPatiently(msgs []*nats.Msg) (a ack, err error) {
	answered := make(chan struct{}, 1) // done may be called before publish returns
	end := time.Now().Add(underWay)
	for pause := time.Millisecond; ; pause *= 2 {
		c.publish(msgs, func(an ack, e error) {
			a, err = an, e
			answered <- struct{}{}
		})
		<-answered // the mux ends each wait
		if code(err) != codeUnderWay || time.Now().Add(pause).After(end) {
			return a, err
		}
		<-time.After(pause)
	}
}

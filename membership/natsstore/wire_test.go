package natsstore

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/membership"
)

func message(subject string, headers ...string) *nats.Msg {
	m := nats.NewMsg(subject)
	for i := 0; i < len(headers); i += 2 {
		m.Header.Set(headers[i], headers[i+1])
	}
	return m
}

func part(key, rev, last string) *nats.Msg {
	return message("in", hdrSubject, "$KV.b."+key, hdrSequence, rev, hdrLast, last)
}

// A record that was lost on the way must not look like one that is not there.
func TestLostPartsAreMissed(t *testing.T) {
	end := message("in", hdrStatus, "204", hdrLast, "9", hdrPending, "0", hdrUpTo, "12")
	var b batch
	for _, m := range []*nats.Msg{part("n.a.1", "5", "0"), part("n.b.1", "9", "5")} {
		if _, err := b.record("$KV.b.", m); err != nil {
			t.Fatal(err)
		}
	}
	if asOf, err := b.end(end); asOf != 12 || err != nil {
		t.Errorf("as of %d, %v", asOf, err)
	}
	if _, err := (&batch{}).record("$KV.b.", part("n.b.1", "9", "5")); err == nil {
		t.Error("the first is missing, and nobody misses it")
	}
	if _, err := (&batch{last: 5}).end(end); err == nil {
		t.Error("the last is missing, and nobody misses it")
	}
	end.Header.Set(hdrPending, "3")
	if _, err := b.end(end); err == nil {
		t.Error("the server has more, and nobody asks for it")
	}
}

func TestEndsOfAnswers(t *testing.T) {
	for _, c := range []struct {
		status, text string
		last         uint64
		want         error // nil: an empty answer
	}{
		{"404", "No Results", 0, nil},
		{"413", "Too Many Results", 0, errTooMany},
		{"503", "", 0, nats.ErrNoResponders},
		{"404", "No Results", 7, errors.New("404")},
		{"404", "Message Not Found", 0, errors.New("404 Message Not Found")},
		{"500", "store", 0, errors.New("500 store")},
	} {
		asOf, err := (&batch{last: c.last}).end(message("in", hdrStatus, c.status, hdrText, c.text))
		if asOf != 0 || (c.want == nil) != (err == nil) || err != nil && !errors.Is(err, c.want) && !strings.Contains(err.Error(), c.want.Error()) {
			t.Errorf("%s %s after %d: %d, %v, want %v", c.status, c.text, c.last, asOf, err, c.want)
		}
	}
}

func TestRemovals(t *testing.T) {
	for _, h := range [][]string{{hdrOperation, "PURGE"}, {hdrOperation, "DEL"}, {hdrReason, "MaxAge"}} {
		m := message("p.ev.n.a.1", append(h, hdrSequence, "7")...)
		m.Data = []byte("x")
		if e, ok := decodeEvent("p.ev.", m); !ok || e.Value != nil || e.Rev != 7 || e.Key != "n.a.1" {
			t.Errorf("%v: %+v, %v", h, e, ok)
		}
	}
	if e, ok := decodeEvent("p.ev.", message("p.ev.cfg", hdrSequence, "7")); !ok || e.Value == nil {
		t.Errorf("an empty record: %+v, %v", e, ok)
	}
}

// Two leaders in a row may publish what they wrote by different ways.
func TestLateEventsAreLeftOut(t *testing.T) {
	var seen []uint64
	w := &watch{in: &watches{}, events: "p.ev.", f: func(e membership.Entry) { seen = append(seen, e.Rev) }}
	for _, rev := range []string{"5", "4", "5", "7", "6", "0", "x", "8"} {
		w.see(message("p.ev.cfg", hdrSequence, rev))
	}
	w.see(message("p.ev."+ownKey, hdrSequence, "9"))
	w.see(message("other", hdrSequence, "9"))
	w.stop()
	w.see(message("p.ev.cfg", hdrSequence, "9")) // nats.go may have had it already
	if want := []uint64{5, 7, 8}; !slices.Equal(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
}

func TestOldServers(t *testing.T) {
	for version, old := range map[string]bool{
		"2.10.29": true, "1.99.0": true, "2.11.0": false, "2.11.0-preview.1": false, "2.15.2": false, "3.0.0": false, "": false, "dev": false,
	} {
		if tooOld(version) != old {
			t.Errorf("version %q: %v", version, !old)
		}
	}
}

func FuzzDecodeStored(f *testing.F) {
	f.Add([]byte(`{"message":{"subject":"$KV.b.cfg","seq":7,"hdrs":"TkFUUy8xLjANCktWLU9wZXJhdGlvbjogUFVSR0UNCg0K","data":"eA=="}}`))
	f.Add([]byte(`{"message":{"seq":7,"data":"eA=="}}`))
	f.Add([]byte(`{"message":{"seq":7,"hdrs":"eA=="}}`))
	f.Add([]byte(`{"error":{"code":404,"err_code":10037,"description":"no message found"}}`))
	f.Add([]byte(`{"error":{"code":503,"err_code":10008}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decodeStored("cfg", data)
		if err != nil && (e.Rev != 0 || e.Value != nil) || e.Rev == 0 && e.Value != nil {
			t.Errorf("%q: %+v, %v", data, e, err)
		}
	})
}

func FuzzDecodeAck(f *testing.F) {
	f.Add([]byte(`{"stream":"KV_b","seq":7}`))
	f.Add([]byte(`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1"},"stream":"KV_b","seq":0}`))
	f.Add([]byte(`{"seq":-1}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, data []byte) {
		if rev, err := decodeAck(data); (rev == 0) != (err != nil) {
			t.Errorf("%q: %d, %v", data, rev, err)
		}
	})
}

func FuzzMessages(f *testing.F) {
	f.Add("p.ev.n.a.1", "PURGE", "7", "$KV.b.n.a.1", "0", []byte("x"))
	f.Add("p.ev.", "", "x", "", "-1", []byte(nil))
	f.Fuzz(func(t *testing.T, subject, op, seq, of, last string, data []byte) {
		m := message(subject, hdrOperation, op, hdrSequence, seq, hdrSubject, of, hdrLast, last)
		m.Data = data
		if e, ok := decodeEvent("p.ev.", m); ok && (e.Rev == 0 || e.Key == "" || subject != "p.ev."+e.Key) {
			t.Errorf("%+v", e)
		}
		var b batch
		if e, err := b.record("$KV.b.", m); err == nil && (e.Rev == 0 || of != "$KV.b."+e.Key || b.last != e.Rev) {
			t.Errorf("%+v", e)
		}
	})
}

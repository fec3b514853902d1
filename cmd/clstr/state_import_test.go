package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/state"
)

// TestStateImportsNothingHostile: a document that was cut, doubled, forged or taken from elsewhere is
// refused, and says why. What is stored stays, byte for byte, and so does the shard's owner.
func TestStateImportsNothingHostile(t *testing.T) {
	s := newFilled(t, "C1")
	token := s.put("account", "alice", state.Record{Number: 7, Version: 2, State: []byte(`{"Balance":10}`)})
	good := s.want(0, "", "state", "export", "account", "alice").out
	good = strings.Replace(good, "{\n    \"Balance\": 10\n  }", `{"Balance": 10}`, 1)
	change := func(pairs ...string) string {
		t.Helper()
		text := good
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(text, pairs[i]) {
				t.Fatalf("no %s in %s", pairs[i], text)
			}
			text = strings.Replace(text, pairs[i], pairs[i+1], 1)
		}
		return text
	}
	id := func(n, sum int) string {
		of := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
		return fmt.Sprintf(`"v": 2, "ids": [{"id": %q, "sum": %q}]`, of(n), of(sum))
	}
	many := `"v": 2, "ids": [` + strings.Repeat(`{"id": "AAAAAAAAAAAAAAAAAAAAAA==", "sum": "AAAAAAAAAAA="},`, 2000) + `{"id": "AAAAAAAAAAAAAAAAAAAAAA==", "sum": "AAAAAAAAAAA="}]`
	const version, refused = `"v": 2`, exitRefused
	for name, c := range map[string]struct {
		text string
		exit int
		want string
	}{
		"nothing":                         {"", exitUsage, "no document of clstr state export"},
		"something else":                  {"\x00\x01\x02", exitUsage, "no document of clstr state export"},
		"a list of documents":             {"[" + good + "]", exitUsage, "no document of clstr state export"},
		"two documents":                   {good + good, exitUsage, "no document of clstr state export"},
		"something behind it":             {good + "x", exitUsage, "no document of clstr state export"},
		"half":                            {good[:len(good)/2], exitUsage, "no document of clstr state export"},
		"all but the end":                 {strings.TrimRight(good, "}\n "), exitUsage, "no document of clstr state export"},
		"10 MiB":                          {change(`{"Balance": 10}`, `"`+strings.Repeat("x", 10<<20)+`"`), exitUsage, "a document over"},
		"1 MiB of state":                  {change(`{"Balance": 10}`, `"`+strings.Repeat("x", 1<<20)+`"`), refused, "too large"},
		"deep":                            {change(`{"Balance": 10}`, strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)), exitUsage, "depth"},
		"a later format":                  {change(`"clstr_state": 1`, `"clstr_state": 2`), exitUsage, "formats up to 1"},
		"a format below":                  {change(`"clstr_state": 1`, `"clstr_state": -1`), exitUsage, "formats up to 1"},
		"another kind":                    {change(`"kind": "account"`, `"kind": "order"`), refused, "it is of order alice"},
		"another key":                     {change(`"key": "alice"`, `"key": "bob"`), refused, "it is of account bob"},
		"no names":                        {change(`"key": "alice",`, ``, `"kind": "account",`, ``), refused, "does not belong to account alice"},
		"a name twice over":               {change(`"key": "alice"`, `"key": "ali", "key_base64": "Y2U="`), exitUsage, "both a name and its base64"},
		"another cluster":                 {change(`"cluster": "C1"`, `"cluster": "C2"`), refused, "it is of cluster C2, and this is C1"},
		"a later version":                 {change(version, `"v": 3`), refused, "it has version 3, and version 2 is stored"},
		"an earlier version":              {change(version, `"v": 1`), refused, "it has version 1, and version 2 is stored"},
		"a version below 0":               {change(version, `"v": -2`), exitUsage, "version -2: 0 or more"},
		"a version that is too large":     {change(version, `"v": 1e30`), exitUsage, "record.v"},
		"another type":                    {change(`"t": "json"`, `"t": "protobuf"`), exitUsage, "it is not protobuf"},
		"a field twice":                   {change(`"key": "alice"`, `"key": "bob", "key": "alice"`), exitUsage, `the field "key" stands there twice`},
		"the state twice":                 {change(`"state":`, `"state": {"Balance": 1000}, "state":`), exitUsage, `the field "state" stands there twice`},
		"the state in large letters":      {change(`"state":`, `"STATE": {"Balance": 1000}, "state":`), exitUsage, `unknown field "STATE"`},
		"the state by another letter":     {change(`"state":`, "\"\u017ftate\": {\"Balance\": 1000}, \"state\":"), exitUsage, "unknown field"},
		"the version twice":               {change(version, version+`, "v": 9`), exitUsage, `the field "v" stands there twice`},
		"the record twice":                {change(`"record":`, `"record": null, "record":`), exitUsage, `the field "record" stands there twice`},
		"no record":                       {change(`"record":`, `"recorded":`), exitUsage, `unknown field "recorded"`},
		"a record that is none":           {`{"clstr_state": 1, "kind": "account", "key": "alice", "record": 7, "state": 1}`, exitUsage, "record"},
		"a TTL below 0":                   {change(version, version+`, "ttl": -1000000000`), refused, "a TTL is in whole seconds"},
		"half a second of TTL":            {change(version, version+`, "ttl": 500000000`), refused, "a TTL is in whole seconds"},
		"an ID that is none":              {change(version, id(0, 8)), exitUsage, "an ID of 0 bytes"},
		"an ID that is too long":          {change(version, id(17, 8)), exitUsage, "an ID of 17 bytes"},
		"a sum that is too short":         {change(version, id(16, 7)), exitUsage, "with a sum of 7"},
		"more IDs than a record may have": {change(version, many), refused, "too large"},
		"base64 that is none":             {change(`"state": {"Balance": 10}`, `"state_base64": "%%%%"`), exitUsage, "base64"},
		"a state that is no JSON":         {change(`"state": {"Balance": 10}`, `"state_base64": "ew=="`), exitUsage, "it is not JSON"},
	} {
		file := filepath.Join(t.TempDir(), "doc.json")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := s.run("state", "import", "account", "alice", file, "--yes")
		if r.exit != c.exit || !strings.Contains(r.err, c.want) || len(r.out+r.err) > 2000 {
			t.Errorf("%s: exit code %d, want %d, and %q in\n%.2000s", name, r.exit, c.exit, c.want, r.out+r.err)
		}
		if got := s.record("account", "alice"); got.Number != 7 || !bytes.Equal(got.State, []byte(`{"Balance":10}`)) {
			t.Errorf("%s: stored %+v", name, got)
			token = s.put("account", "alice", state.Record{Number: 7, Version: 2, State: []byte(`{"Balance":10}`)})
		}
	}
	for _, file := range []string{t.TempDir(), "/dev/null", "\x00"} {
		if r := s.run("state", "import", "account", "alice", file, "--yes"); r.exit != exitUsage {
			t.Errorf("%q: exit code %d\n%s", file, r.exit, r.err)
		}
	}
	if err := s.commit(token, "account", "alice", state.Record{Number: 8, Type: "json", State: []byte("1")}); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

// What no key could begin with is found by check, too.
func TestStateCheckOfIDs(t *testing.T) {
	s := newFilled(t, "C1")
	token := s.put("account", "alice", state.Record{State: []byte("{}"), Commands: []state.Command{{ID: []byte("short"), Sum: []byte("01234567")}}})
	s.want(exitBadState, "an ID of 5 bytes", "state", "check")
	s.want(exitBadState, "an ID of 5 bytes", "state", "show", "account", "alice")
	done := make(chan error, 1)
	s.store.Commit(state.Change{Token: token, Kind: "account", Key: "alice", Record: &state.Record{Number: 2, Type: "json", State: []byte("{}")},
		Spill: &state.Spill{Commands: []state.Command{{ID: []byte("0123456789abcdef"), Sum: []byte("long, long")}}}}, func(_ state.Rev, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.want(exitBadState, "with a sum of 10", "state", "check")
}

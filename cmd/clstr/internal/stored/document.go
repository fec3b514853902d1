// Documents: what export writes of a record, and import reads

package stored

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/clstr-go/clstr/state"
)

// Format is that of the documents that this version writes.
const Format = 1

// maxDocument is more than what a store takes, as JSON.
const maxDocument = 4 * state.MaxState

// Document is a record as JSON. Kind, key and state are base64 where they are no printable text, or
// where text would not give the same bytes again.
type Document struct {
	Format      int             `json:"clstr_state"`
	Kind        string          `json:"kind,omitempty"`
	KindBase64  []byte          `json:"kind_base64,omitempty"`
	Key         string          `json:"key,omitempty"`
	KeyBase64   []byte          `json:"key_base64,omitempty"`
	Cluster     string          `json:"cluster,omitempty"`
	Shard       uint32          `json:"shard"`
	Rev         state.Rev       `json:"rev,omitempty"`
	Stored      time.Time       `json:"stored,omitzero"`
	Bytes       int             `json:"bytes"`
	Record      *state.Record   `json:"record,omitempty"`
	State       json.RawMessage `json:"state,omitempty"`
	StateBase64 []byte          `json:"state_base64,omitempty"`
	Error       string          `json:"error,omitempty"`
}

// NewDocument makes the document of a record.
func NewDocument(e state.Entry, cluster string) Document {
	d := Document{Format: Format, Cluster: cluster, Shard: e.Shard, Rev: e.Rev, Stored: e.Time.UTC(), Record: e.Record}
	d.Kind, d.KindBase64 = Text(e.Kind)
	d.Key, d.KeyBase64 = Text(e.Key)
	if e.Err != nil {
		d.Error = e.Err.Error()
	}
	if e.Record != nil {
		b := e.Record.State
		d.Bytes = len(b)
		if e.Record.Type == "json" && same(b) {
			d.State = b
		} else {
			d.StateBase64 = b
		}
	}
	return d
}

// Text returns a text as it is, if it can be shown and is the same again when it is read as JSON, or
// its bytes.
func Text(s string) (text string, other []byte) {
	if shown([]byte(s)) {
		return s, nil
	}
	return "", []byte(s)
}

// shown reports whether a terminal shows bytes and does nothing else.
func shown(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) })
}

// same reports whether JSON is the same bytes again once it was indented.
func same(b []byte) bool {
	var compact bytes.Buffer
	return shown(b) && json.Compact(&compact, b) == nil && bytes.Equal(compact.Bytes(), b)
}

// Decode reads a document. What it does not know, it refuses: a field with a typo would be lost.
func Decode(r io.Reader) (d Document, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return d, err
	}
	if len(b) > maxDocument {
		return d, fmt.Errorf("a document over %d bytes", maxDocument)
	}
	var format struct {
		Format int `json:"clstr_state"`
	}
	switch err := json.Unmarshal(b, &format); {
	case err != nil:
		return d, fmt.Errorf("no document of clstr state export: %w", err)
	case format.Format == 0:
		return d, errors.New(`no document of clstr state export: it has no "clstr_state"`)
	case format.Format > Format || format.Format < 0:
		return d, fmt.Errorf("a document of format %d: this command knows formats up to %d", format.Format, Format)
	}
	if err := once(b); err != nil {
		return d, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return d, err
	}
	switch {
	case d.Error != "":
		return d, fmt.Errorf("the document holds no state: %s", d.Error)
	case d.State != nil && d.StateBase64 != nil:
		return d, errors.New("both state and state_base64")
	case d.Kind != "" && d.KindBase64 != nil || d.Key != "" && d.KeyBase64 != nil:
		return d, errors.New("both a name and its base64")
	case d.Record == nil:
		return d, errors.New(`no "record": it has at least "t", the type of the state ("json" or "protobuf"), and "v", its version`)
	case d.Record.Deleted:
		return d, errors.New("a record of a key that was deleted: there is nothing to import")
	}
	d.Record.State = d.StateBase64
	if d.State != nil {
		var compact bytes.Buffer
		if err := json.Compact(&compact, d.State); err != nil {
			return d, err
		}
		d.Record.State = compact.Bytes()
	}
	return d, Body(d.Record)
}

// once returns an error for a field that a document or its record has twice, because only the last one
// would count. The state is the entity's.
func once(object []byte) error {
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return err
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		switch {
		case seen[name]:
			return fmt.Errorf("the field %.100q stands there twice", name)
		case strings.Trim(name, fieldLetters) != "": // package json would take STATE for state
			return fmt.Errorf("unknown field %.100q: names are in small letters", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if name == "record" {
			if err := once(value); err != nil {
				return err
			}
		}
	}
	return nil
}

const fieldLetters = "abcdefghijklmnopqrstuvwxyz0123456789_"

// Names returns the kind and the key.
func (d *Document) Names() (kind, key string) {
	return d.Kind + string(d.KindBase64), d.Key + string(d.KeyBase64)
}

package codec

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// ownText writes itself.
type ownText struct{ bytes string }

func (o ownText) MarshalJSON() ([]byte, error) { return []byte(`"\ufffd"`), nil }

// TestTextThatIsNoUTF8 is refused, and its place named: JSON would change it in silence.
func TestTextThatIsNoUTF8(t *testing.T) {
	type inner struct{ Text string }
	type outer struct {
		Name  string
		In    *inner
		List  []inner
		Named map[string]string
		Any   any
		Bytes []byte
	}
	bad := "a\xffb"
	for where, v := range map[string]any{
		`field "Name"`:           outer{Name: bad},
		`field "Text"`:           outer{In: &inner{bad}},
		`field "Text" `:          &outer{List: []inner{{"good"}, {bad}}},
		`field "Named"`:          outer{Named: map[string]string{"k": bad}},
		`a key of field "Named"`: outer{Named: map[string]string{bad: "v"}},
		`field "Any"`:            outer{Any: []any{1, bad}},
		`it holds`:               bad,
	} {
		_, err := Marshal(v)
		if i, ok := errors.AsType[*Invalid](err); !ok || i.Own || !strings.Contains(err.Error(), strings.TrimSpace(where)) {
			t.Errorf("%s: %v", where, err)
		}
	}
	for _, v := range []any{
		outer{Name: "\ufffd", Bytes: []byte(bad), Any: `\ufffd`},
		ownText{bad}, json.RawMessage(`"\ufffd"`), "a \\ufffd b",
	} {
		if _, err := Marshal(v); err != nil {
			t.Errorf("%#v: %v", v, err)
		}
	}
}

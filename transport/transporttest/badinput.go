// Envelopes that cannot be sent

package transporttest

import (
	"context"
	"fmt"
	"strings"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var badInputTests = []test{
	{"envelopes that cannot be sent", testBadEnvelopes},
	{"the edges of what can", testEdges},
}

func testBadEnvelopes(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		s.Errorf("%+v has arrived", env)
		return nil, nil
	})
	many := map[string]string{}
	for i := range bounds.MaxHeaders + 1 {
		many[fmt.Sprint("h", i)] = ""
	}
	for name, env := range map[string]transport.Envelope{
		"negative shard":    {Shard: -1},
		"shard of 33 bits":  {Shard: 1 << 32}, // not shard 0
		"negative TTL":      {TTLMs: -1},
		"long key":          {Key: strings.Repeat("k", bounds.MaxKeyBytes+1)},
		"long type":         {Type: strings.Repeat("t", bounds.MaxTypeBytes+1)},
		"long kind":         {Kind: strings.Repeat("t", bounds.MaxTypeBytes+1)},
		"type not UTF-8":    {Type: "\xff"},
		"kind not UTF-8":    {Kind: "\xff"},
		"ID not UTF-8":      {ID: "\xff"},
		"long ID":           {ID: strings.Repeat("i", bounds.MaxIDBytes+1)},
		"codec not UTF-8":   {Codec: "\xff"},
		"long codec":        {Codec: strings.Repeat("c", bounds.MaxCodecBytes+1)},
		"negative age":      {ID: "i", AgeMs: -1},
		"too many headers":  {Headers: many},
		"too long headers":  {Headers: map[string]string{"h": strings.Repeat("v", bounds.MaxHeaderBytes)}},
		"unknown delivery":  {Delivery: transport.AwaitNothing + 1},
		"reserved":          {Headers: map[string]string{"x-clstr-key": "other"}},
		"reserved, capital": {Headers: map[string]string{"X-Clstr-Anything": ""}},
		"reserved, mixed":   {Headers: map[string]string{"x-CLSTR-": ""}},
	} {
		_, err := p.request(env)
		want := outcome.ErrBadEnvelope
		if strings.HasPrefix(name, "reserved") {
			want = outcome.ErrReservedHeader
		}
		if e := s.failed(err, want, outcome.NotSent); len(e.Error()) > 4<<10 {
			s.Errorf("%s: an error of %d bytes", name, len(e.Error()))
		}
	}
}

func testEdges(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(0, echo)
	most := map[string]string{}
	for i := range bounds.MaxHeaders {
		most[fmt.Sprint("h", i)] = "v"
	}
	for _, env := range []transport.Envelope{
		{},
		{Type: strings.Repeat("t", bounds.MaxTypeBytes), Kind: strings.Repeat("t", bounds.MaxTypeBytes)},
		{Key: strings.Repeat("k", bounds.MaxKeyBytes)},
		{Headers: most},
		{Codec: strings.Repeat("c", bounds.MaxCodecBytes)},
		{ID: strings.Repeat("i", bounds.MaxIDBytes), AgeMs: 1 << 40},
		{Headers: map[string]string{"h": strings.Repeat("v", bounds.MaxHeaderBytes-1), "": ""}},
		{Headers: map[string]string{"x-clstr": "", "clstr-x-": "", "xx-clstr-key": ""}},
	} {
		env.Data = []byte("x")
		p.want(env, "x")
	}
}

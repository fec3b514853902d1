package cluster_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"
)

// This file is a client by docs/wire-format.md alone: a TCP socket, a hash, and the
// fields of protobuf by hand. It uses nothing of the library and no NATS client.

// digest is the 8 bytes of BLAKE2b, as a big-endian number.
func digest(b []byte) uint64 {
	h, _ := blake2b.New(8, nil) // without a key it does not fail
	h.Write(b)
	return binary.BigEndian.Uint64(h.Sum(nil))
}

func handShard(key, seed string, shards uint64) uint64 {
	if seed != "" {
		key = seed + "\x00" + key
	}
	return digest([]byte(key)) % shards
}

func handLayout(seed string, shards uint64) uint64 {
	return max(1, digest([]byte("clstr layout: blake2b-64 rendezvous\x00"+strconv.FormatUint(shards, 10)+"\x00"+seed)))
}

// fields is a protobuf message that is being written.
type fields []byte

func (f *fields) number(field int, v uint64) {
	*f = binary.AppendUvarint(binary.AppendUvarint(*f, uint64(field)<<3), v)
}

func (f *fields) bytes(field int, v []byte) {
	*f = append(binary.AppendUvarint(binary.AppendUvarint(*f, uint64(field)<<3|2), uint64(len(v))), v...)
}

func (f *fields) fixed(field int, v uint64) {
	*f = binary.LittleEndian.AppendUint64(binary.AppendUvarint(*f, uint64(field)<<3|1), v)
}

// parsed is one that was read: the last value of each field, and all values of texts.
type parsed struct {
	numbers map[uint64]uint64
	texts   map[uint64]string
	all     map[uint64][]string
}

func parse(t *testing.T, b string) parsed {
	t.Helper()
	p := parsed{map[uint64]uint64{}, map[uint64]string{}, map[uint64][]string{}}
	for len(b) > 0 {
		tag, n := binary.Uvarint([]byte(b))
		v, m := binary.Uvarint([]byte(b[n:]))
		b = b[n+m:]
		switch tag & 7 {
		case 0:
			p.numbers[tag>>3] = v
		case 2:
			p.texts[tag>>3], p.all[tag>>3], b = b[:v], append(p.all[tag>>3], b[:v]), b[v:]
		default:
			t.Fatalf("field %d has the wire type %d", tag>>3, tag&7)
		}
	}
	return p
}

// hand is a connection to a NATS server.
type hand struct {
	t     *testing.T
	conn  net.Conn
	r     *bufio.Reader
	inbox string
	next  uint64

	prefix string // of subjects
}

// packed reads a packed list of numbers.
func packed(text string) (numbers []uint64) {
	for b := []byte(text); len(b) > 0; {
		v, n := binary.Uvarint(b)
		numbers, b = append(numbers, v), b[n:]
	}
	return numbers
}

// askOwners asks all nodes for the owners of shards from first on; one is whether it asks for the first shard
// only.
func (h *hand) askOwners(first uint64, one bool) parsed {
	h.t.Helper()
	var ask fields
	ask.number(1, 1)
	ask.number(2, first)
	if one {
		ask.number(9, 1)
	}
	to := h.inbox + ".who"
	h.say("PUB %s.who %s %d\r\n%s\r\n", h.prefix, to, len(ask), []byte(ask))
	headers, payload := h.message(to)
	if headers != "" {
		h.t.Fatalf("nobody answers: %q", headers)
	}
	told := parse(h.t, payload)
	if told.numbers[1] != 1 {
		h.t.Errorf("an answer of the version %d", told.numbers[1])
	}
	return told
}

// owner returns the node that owns a shard, and in which epoch.
func (h *hand) owner(shard uint64) (node string, epoch uint64) {
	h.t.Helper()
	told := h.askOwners(shard, true)
	epochs, owners := packed(told.texts[3]), packed(told.texts[7])
	if told.numbers[2] != shard || len(epochs) != 1 || len(owners) != 1 || owners[0] != 1 {
		h.t.Fatalf("the owner of shard %d: %+v", shard, told)
	}
	return told.texts[6], epochs[0]
}

func shakeHands(t *testing.T, server string) *hand {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	h := &hand{t: t, conn: conn, r: bufio.NewReader(conn), inbox: "_INBOX.byhand.8f2c", next: 41, prefix: "clstr"}
	h.say("CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1,\"headers\":true,\"no_responders\":true}\r\nSUB %s.* 1\r\nPING\r\n", h.inbox)
	if line := h.line(); line != "PONG" {
		t.Fatalf("the server answers %q", line)
	}
	return h
}

func (h *hand) say(format string, args ...any) {
	h.t.Helper()
	_ = h.conn.SetDeadline(time.Now().Add(time.Minute)) // for its answer too
	if _, err := fmt.Fprintf(h.conn, format, args...); err != nil {
		h.t.Fatal(err)
	}
}

// line is the next of the server's that is not about the connection.
func (h *hand) line() string {
	h.t.Helper()
	for {
		line, err := h.r.ReadString('\n')
		if err != nil {
			h.t.Fatal(err)
		}
		line = strings.TrimRight(line, "\r\n")
		switch word, _, _ := strings.Cut(line, " "); word {
		case "PING":
			h.say("PONG\r\n")
		case "INFO":
		default:
			return line
		}
	}
}

// message reads a message to the inbox: its headers, if it has any, and its payload.
func (h *hand) message(reply string) (headers, payload string) {
	h.t.Helper()
	words := strings.Fields(h.line())
	if len(words) < 4 || words[0] != "MSG" && words[0] != "HMSG" || words[1] != reply {
		h.t.Fatalf("the server says %q, want a message to %s", words, reply)
	}
	size, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		h.t.Fatal(err)
	}
	b := make([]byte, size+2)
	if _, err := io.ReadFull(h.r, b); err != nil {
		h.t.Fatal(err)
	}
	if words[0] == "MSG" {
		return "", string(b[:size])
	}
	head, _ := strconv.Atoi(words[len(words)-2])
	return string(b[:head]), string(b[head:size])
}

// request finds the owner of a key, sends an envelope to it, and returns the reply. more
// writes further fields of the envelope.
func (h *hand) request(kind, key, name, data string, shards, layout uint64, more ...func(*fields)) (reply, fault parsed, status string) {
	h.t.Helper()
	node, epoch := h.owner(handShard(key, "prod", shards))
	return h.requestAt(node, epoch, kind, key, name, data, shards, layout, more...)
}

// handEnvelope is what all envelopes to a key have.
func handEnvelope(kind, key, name, data string, shards uint64) (env fields) {
	env.number(1, handShard(key, "prod", shards))
	env.bytes(2, []byte(name))
	env.bytes(3, []byte(data))
	env.bytes(4, []byte(key))
	env.bytes(5, []byte(kind))
	env.number(10, shards)
	return env
}

// publish sends a packet to a node. The answers come to the given subject.
func (h *hand) publish(node, to string, packet fields) {
	h.say("PUB %s.n.%s.hand %s %d\r\n%s\r\n", h.prefix, node, to, len(packet), []byte(packet))
}

// notify sends notifications to one key in one message, and returns the ids that were accepted.
func (h *hand) notify(kind, key, name string, data []string, shards, layout uint64) (accepted []uint64) {
	h.t.Helper()
	node, epoch := h.owner(handShard(key, "prod", shards))
	var packet fields
	first := h.next
	packet.number(1, 1)
	packet.number(2, first)
	for _, d := range data {
		env := handEnvelope(kind, key, name, d, shards)
		env.number(9, 1)
		env.fixed(11, layout)
		env.number(17, epoch)
		packet.bytes(3, env)
		h.next++
	}
	to := fmt.Sprintf("%s.%s-%s", h.inbox, strconv.FormatUint(first, 36), strconv.FormatUint(uint64(len(data)), 36))
	h.publish(node, to, packet)
	for answered := 0; answered < len(data); {
		headers, payload := h.message(to)
		if headers != "" {
			h.t.Fatalf("no node has the notifications: %q", headers)
		}
		for _, text := range parse(h.t, payload).all[4] {
			r := parse(h.t, text)
			id, further := r.numbers[1], r.numbers[8]
			answered += 1 + int(further)
			for i := uint64(0); i <= further && r.texts[3] == ""; i++ {
				accepted = append(accepted, id+i-first)
			}
		}
	}
	return accepted
}

// requestAt is request to a node. The status is the server's, where the node is not there.
func (h *hand) requestAt(node string, epoch uint64, kind, key, name, data string, shards, layout uint64, more ...func(*fields)) (reply, fault parsed, status string) {
	h.t.Helper()
	var packet fields
	env := handEnvelope(kind, key, name, data, shards)
	env.number(7, 5_000_000)
	env.fixed(11, layout)
	env.number(17, epoch)
	for _, f := range more {
		f(&env)
	}
	id := h.next
	h.next++
	packet.number(1, 1)
	packet.number(2, id)
	packet.bytes(3, env)
	to := fmt.Sprintf("%s.%s-1", h.inbox, strconv.FormatUint(id, 36))
	h.publish(node, to, packet)
	headers, payload := h.message(to)
	if headers != "" {
		return reply, fault, strings.TrimSpace(headers)
	}
	reply = parse(h.t, parse(h.t, payload).texts[4])
	if reply.numbers[1] != id {
		h.t.Fatalf("the reply is to %d, want %d", reply.numbers[1], id)
	}
	return reply, parse(h.t, reply.texts[3]), ""
}

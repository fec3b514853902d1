package examples_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// These tests hold docs/operate.md to the code.

// part is what stands under a heading, down to the next one of its level.
func part(t *testing.T, doc, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(read(t).docs[doc], "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no %q", doc, heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	after, _, _ = strings.Cut(after, "\n"+level+" ")
	return after
}

// rows are what stands in backquotes at the beginning of a table's rows.
func rows(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([\\w.]+)` \\|").FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	return names
}

func TestRunbookHasEveryCode(t *testing.T) {
	codes, known := rows(part(t, "docs/operate.md", "## Runbook: by error code")), rows(part(t, "docs/wire-format.md", "## Codes"))
	if !maps.Equal(codes, known) || len(codes) < 30 {
		t.Errorf("the runbook has the codes\n%v\nand docs/wire-format.md has\n%v", slices.Sorted(maps.Keys(codes)), slices.Sorted(maps.Keys(known)))
	}
}

func TestMetricsAreDocumented(t *testing.T) {
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+) +(histogram|counter|gauge) `).FindAllStringSubmatch(read(t).code["cluster/prommetrics/doc.go"], -1) {
		known[m[1]] = true
	}
	metrics := part(t, "docs/operate.md", "## Metrics")
	table, alerts, _ := strings.Cut(metrics, "### Alerts")
	if names := rows(table); !maps.Equal(names, known) || len(names) < 15 {
		t.Errorf("docs/operate.md has\n%v\nand package prommetrics has\n%v", slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(known)))
	}
	asked := regexp.MustCompile(`clstr_cluster_(\w+)`).FindAllStringSubmatch(alerts, -1)
	if len(asked) < 10 {
		t.Errorf("%d metrics in alerts", len(asked))
	}
	for _, m := range asked {
		if !known[strings.TrimSuffix(m[1], "_bucket")] {
			t.Errorf("an alert asks for %s", m[0])
		}
	}
}

func TestLogLinesOfRunbook(t *testing.T) {
	r := read(t)
	text := regexp.MustCompile("`[^`]*`").ReplaceAllString(part(t, "docs/operate.md", "## Runbook: by symptom"), "")
	lines := regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(text, -1)
	if len(lines) < 8 {
		t.Errorf("%d lines of the log", len(lines))
	}
	for _, line := range lines {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(r.code)), func(name string) bool {
			return !strings.HasSuffix(name, "_test.go") && strings.Contains(r.code[name], `"`+line[1])
		}) {
			t.Errorf("no code logs %q", line[1])
		}
	}
}

// TestShareOfTheBusiest computes the table by which docs/operate.md sizes a cluster.
func TestShareOfTheBusiest(t *testing.T) {
	const lists = 20
	var table strings.Builder
	for _, row := range []struct {
		name   string
		shards uint32
	}{{"64", 64}, {"256", 256}, {"1,024", 1024}, {"4,096", 4096}} {
		table.WriteString("| " + row.name)
		for _, nodes := range []int{3, 5, 10, 30, 100} {
			sum := 0.0
			for list := range lists {
				ids := make([]string, nodes)
				for i := range ids {
					ids[i] = fmt.Sprintf("t%d-node-%d", list, i)
				}
				a, err := sharding.NewAssignment(sharding.Layout{NumShards: row.shards}, ids)
				if err != nil {
					t.Fatal(err)
				}
				busiest := 0
				for _, id := range ids {
					busiest = max(busiest, len(a.Shards(id)))
				}
				sum += float64(busiest*nodes) / float64(row.shards)
			}
			fmt.Fprintf(&table, " | %.2f", sum/lists)
		}
		table.WriteString(" |\n")
	}
	if !strings.Contains(part(t, "docs/operate.md", "### The number of shards"), table.String()) {
		t.Errorf("docs/operate.md should have\n%s", &table)
	}
}

// TestChangeOfLayout: how docs/operate.md changes the number of shards.
func TestChangeOfLayout(t *testing.T) {
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	run := func(shards uint32) error {
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		store, err := natsstore.Open(t.Context(), natsstore.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		stop, err := cluster.NewNode(cluster.NodeOptions{
			NodeID: "a", Transport: tr, Membership: store, NumShards: shards, Handler: cluster.NewActorHandler(Accounts.New),
			Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		}).Start(t.Context())
		if err != nil {
			return err
		}
		return stop()
	}
	if err := run(16); err != nil {
		t.Fatal(err)
	}
	if err := run(32); !errors.Is(err, cluster.ErrLayoutMismatch) || !strings.Contains(err.Error(), "16") || !strings.Contains(err.Error(), "32") {
		t.Errorf("with the records of 16 shards: %v", err)
	}
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue("clstr_members"); err != nil {
		t.Fatal(err)
	}
	if err := run(32); err != nil {
		t.Error(err)
	}
}

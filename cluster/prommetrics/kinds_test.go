package prommetrics_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/cluster"
)

// TestKindsThatCallersMakeUp fill no metric, and take no label from a kind that the
// node hosts.
func TestKindsThatCallersMakeUp(t *testing.T) {
	r := newRig(t)
	for i := range 200 {
		for _, msgType := range []string{cluster.MsgClusterNodeInfo, "deposit"} {
			_, _ = r.tr.Request(t.Context(), cluster.Envelope{Kind: fmt.Sprint("evil-", i), Type: msgType, Key: "k"})
		}
	}
	if _, err := r.key("a").Request(t.Context(), deposit{}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	own := false
	for _, s := range gather(t, r.reg) {
		if strings.Contains(s.labels, "evil") {
			t.Errorf("a series of a kind that was made up: %s %s", s.name, s.labels)
		}
		own = own || s.name == "handlers_total" && strings.Contains(s.labels, "account")
	}
	if !own {
		t.Error("the kind that the node hosts has no series")
	}
}

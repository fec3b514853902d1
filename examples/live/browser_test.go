//go:build browser

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// browser is a headless Chromium with one page. It is driven by the DevTools protocol over two
// pipes: messages are JSON, with a zero byte behind each.
type browser struct {
	t       *testing.T
	to      io.Writer
	session string

	mu      sync.Mutex
	id      int
	waiting map[int]chan answer
}

type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// openBrowser opens a page. The browser ends with the test.
func openBrowser(t *testing.T, url string) *browser {
	t.Helper()
	theirs, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, theirEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, theirEnd} // 3 and 4
	said := new(bytes.Buffer)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatalf("Chromium is not there: %v", err)
	}
	_, _ = theirs.Close(), theirEnd.Close()
	b := &browser{t: t, to: to, waiting: map[int]chan answer{}}
	ended := make(chan struct{})
	go func() { // ends with the browser
		defer close(ended)
		b.hear(from)
	}()
	t.Cleanup(func() {
		_, _ = b.call("", "Browser.close", nil) // it may be gone before it answers
		if _ = cmd.Wait(); t.Failed() {
			t.Logf("Chromium has said:\n%s", said)
		}
		<-ended
		_, _ = to.Close(), from.Close()
	})
	var target struct{ TargetID string }
	b.must("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.must("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.must("Page.navigate", map[string]any{"url": url}, new(any))
	b.until(`document.readyState === "complete"`)
	return b
}

func (b *browser) hear(from io.Reader) {
	r := bufio.NewReader(from)
	for {
		line, err := r.ReadBytes(0)
		var a answer
		if err == nil {
			err = json.Unmarshal(line[:len(line)-1], &a)
		}
		b.mu.Lock()
		if err != nil {
			for _, c := range b.waiting {
				close(c)
			}
			b.waiting = nil
			b.mu.Unlock()
			return
		}
		if c := b.waiting[a.ID]; c != nil {
			delete(b.waiting, a.ID)
			c <- a
		}
		b.mu.Unlock()
	}
}

func (b *browser) call(session, method string, params any) (json.RawMessage, error) {
	b.mu.Lock()
	if b.waiting == nil {
		b.mu.Unlock()
		return nil, errors.New("the browser has ended")
	}
	b.id++
	c := make(chan answer, 1)
	b.waiting[b.id] = c
	text, err := json.Marshal(map[string]any{"id": b.id, "method": method, "params": params, "sessionId": session})
	if session == "" {
		text, err = json.Marshal(map[string]any{"id": b.id, "method": method, "params": params})
	}
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a, ok := <-c:
		switch {
		case !ok:
			return nil, errors.New("the browser has ended")
		case a.Error != nil:
			return nil, errors.New(a.Error.Message)
		}
		return a.Result, nil
	case <-time.After(patience):
		return nil, fmt.Errorf("no answer in %v", patience)
	}
}

func (b *browser) must(method string, params, result any) {
	b.t.Helper()
	raw, err := b.call(b.session, method, params)
	if err == nil {
		err = json.Unmarshal(raw, result)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

// run evaluates an expression on the page, and waits for a promise.
func (b *browser) run(expression string) any {
	b.t.Helper()
	var result struct {
		Result           struct{ Value any }
		ExceptionDetails any
	}
	b.must("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &result)
	if result.ExceptionDetails != nil {
		b.t.Fatalf("%s: %v", expression, result.ExceptionDetails)
	}
	return result.Result.Value
}

// until waits until an expression holds on the page, which looks at each change of its document.
func (b *browser) until(expression string) {
	b.t.Helper()
	b.run(`new Promise(done => {
		const look = () => { if (` + expression + `) done() }
		document.addEventListener("readystatechange", look)
		new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true, attributes: true})
		look()
	})`)
}

// TestBrowser: the page shows each vote, goes on when the process that hosts the poll dies, and
// comes back by itself when its own process does. What it shows never goes back.
func TestBrowser(t *testing.T) {
	nats := startNATS(t)
	a, b := start(t, nats), start(t, nats)
	page := openBrowser(t, a.url())
	page.run(`
		window.shown = []
		for (const id of ["tea", "coffee"])
			new MutationObserver(() => shown.push([id, +document.getElementById(id).textContent]))
				.observe(document.getElementById(id), {childList: true})`)
	shows := func(tea, coffee int) {
		t.Helper()
		page.until(fmt.Sprintf(`tea.textContent === "%d" && coffee.textContent === "%d"`, tea, coffee))
	}
	shows(0, 0)
	page.run(`document.querySelector("[data-for=tea]").click()`)
	shows(1, 0)
	b.vote("coffee")
	shows(1, 1)

	b.kill() // may have hosted the poll
	page.run(`document.querySelector("[data-for=tea]").click()`)
	shows(2, 1)

	b.start()
	a.kill() // has hosted it, and served the page
	page.until(`document.body.className === "stale"`)
	b.vote("coffee")
	a.start()
	shows(2, 2)
	page.until(`document.body.className === ""`)

	back := page.run(`["tea", "coffee"].some(id => {
		const values = shown.filter(s => s[0] === id).map(s => s[1])
		return values.some((v, i) => i > 0 && v < values[i - 1])
	})`)
	if back != false {
		t.Errorf("the page went back: %v", page.run(`JSON.stringify(shown)`))
	}
}

package registry

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signboard/inventory"
)

// front is a registry some of whose repositories have the referrers API.
func front(t *testing.T) (c *Client, clk *clock, native *sync.Map, asked *atomic.Int64) {
	t.Helper()
	native, asked = &sync.Map{}, &atomic.Int64{}
	routes := map[string]http.HandlerFunc{}
	for i := range 40 {
		repository := fmt.Sprint("r", i)
		routes[referrersPath(repository)] = func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if _, ok := native.Load(repository); !ok {
				text(404, "text/plain", "404 page not found\n")(w, r)
				return
			}
			text(200, inventory.MediaTypeOCIIndex, indexOf(inventory.DigestOf(nil)))(w, r)
		}
	}
	server, _ := serve(t, routes)
	c, clk = client(t, server)
	return c, clk, native, asked
}

// round asks about every repository and says how many had the API and how many
// questions that took.
func round(t *testing.T, c *Client, asked *atomic.Int64) (supported, requests int) {
	t.Helper()
	before := asked.Load()
	for i := range 40 {
		_, ok, err := c.Referrers(t.Context(), fmt.Sprint("r", i), subject)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			supported++
		}
	}
	return supported, int(asked.Load() - before)
}

func TestCapability_isNotAskedForAgainAndAgain(t *testing.T) {
	c, clk, _, asked := front(t)
	for _, step := range []struct {
		after time.Duration
		want  int
	}{
		{0, 40},                      // each itself
		{10 * time.Minute, 0},        // an answer counts half an hour alone
		{25 * time.Minute, agreeing}, // and on, while some say the same
		{time.Hour, agreeing},
		{time.Hour, agreeing},
		{4 * time.Hour, 40}, // not for ever
	} {
		clk.advance(step.after)
		saved := c.Traffic().Saved
		if supported, requests := round(t, c, asked); supported != 0 || requests != step.want {
			t.Errorf("after another %s: %d questions, %d with the API; want %d, 0", step.after, requests, supported, step.want)
		} else if got := c.Traffic().Saved - saved; got != int64(40-requests) {
			t.Errorf("after another %s: %d saved", step.after, got)
		}
	}
}

func TestCapability_anUpgradeIsSeenByTheFirstThatIsAsked(t *testing.T) {
	c, clk, native, asked := front(t)
	round(t, c, asked)
	for i := range 40 {
		native.Store(fmt.Sprint("r", i), true)
	}
	clk.advance(capabilityAge)
	if supported, requests := round(t, c, asked); supported != 40 || requests != 40 {
		t.Errorf("after the upgrade %d of 40 have the API, asked %d times", supported, requests)
	}
}

// TestCapability_frontsStayRight: nothing is concluded from one repository about
// another, and one of an upstream that was upgraded is seen in six hours.
func TestCapability_frontsStayRight(t *testing.T) {
	c, clk, native, asked := front(t)
	for i := 30; i < 40; i++ {
		native.Store(fmt.Sprint("r", i), true)
	}
	if supported, _ := round(t, c, asked); supported != 10 {
		t.Fatalf("%d have the API", supported)
	}
	clk.advance(capabilityAge)
	if supported, requests := round(t, c, asked); supported != 10 || requests != 10+agreeing {
		t.Errorf("%d have the API, asked %d times", supported, requests)
	}
	native.Store("r20", true)
	for range 12 {
		clk.advance(absentAge / 12)
		round(t, c, asked)
	}
	if supported, _ := round(t, c, asked); supported != 11 {
		t.Errorf("six hours later %d have the API, want 11", supported)
	}
}

func TestCapability_outlivesTheProcess(t *testing.T) {
	c, clk, native, asked := front(t)
	round(t, c, asked)
	next, err := New(func() Config { cfg := c.config; return cfg }())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		name := fmt.Sprint("r", i)
		at := c.ReferrersAbsent(name)
		if at == nil {
			t.Fatalf("nothing is known of %s", name)
		}
		next.RecallReferrersAbsent(name, *at)
	}
	if _, requests := round(t, next, asked); requests != 0 {
		t.Errorf("asked %d times after a restart", requests)
	}
	clk.advance(time.Hour)
	if _, requests := round(t, next, asked); requests != agreeing {
		t.Errorf("asked %d times after a restart and an hour", requests)
	}
	for i := range 40 {
		native.Store(fmt.Sprint("r", i), true)
	}
	clk.advance(capabilityAge)
	if supported, _ := round(t, next, asked); supported != 40 {
		t.Errorf("%d have the API", supported)
	}
	if next.ReferrersAbsent("r1") != nil {
		t.Error("what is over is kept")
	}
	// A time that is yet to come is no memory.
	next.RecallReferrersAbsent("other", clk.Now().Add(time.Hour))
	if next.ReferrersAbsent("other") != nil {
		t.Error("an answer from the future is believed")
	}
}

func TestCapability_oneQuestionForManyAtOnce(t *testing.T) {
	c, _, native, asked := front(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, ok, err := c.Referrers(context.Background(), "r1", subject); ok || err != nil {
				t.Error(ok, err)
			}
		})
	}
	group.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times for one answer", n)
	}
	native.Store("r2", true)
	for range 8 {
		group.Go(func() {
			if list, ok, err := c.Referrers(context.Background(), "r2", subject); !ok || err != nil || len(list) != 1 {
				t.Error(list, ok, err)
			}
		})
	}
	group.Wait()
	if n := asked.Load(); n != 9 {
		t.Errorf("asked %d times: each image has a list of its own", n-1)
	}
}

// TestCapability_anUpgradeEndsEveryMemory: also of what was answered lately.
func TestCapability_anUpgradeEndsEveryMemory(t *testing.T) {
	c, clk, native, asked := front(t)
	if _, _, err := c.Referrers(t.Context(), "r39", subject); err != nil {
		t.Fatal(err)
	}
	clk.advance(absentAge - time.Minute)
	round(t, c, asked)
	for i := range 40 {
		native.Store(fmt.Sprint("r", i), true)
	}
	clk.advance(capabilityAge / 2)
	if _, supported, err := c.Referrers(t.Context(), "r39", subject); err != nil || !supported {
		t.Fatalf("what is six hours old is asked again: %v, %v", supported, err)
	}
	if supported, _ := round(t, c, asked); supported != 40 {
		t.Errorf("%d of 40 have the API, though one was seen to have gained it", supported)
	}
}

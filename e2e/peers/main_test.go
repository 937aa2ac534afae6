//go:build peers

package peers

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// peers is what every test drives.
var peers *world

func TestMain(m *testing.M) {
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "signboard-peers-")
	if err != nil {
		return 0, err
	}
	peers, err = newWorld(context.Background(), dir)
	defer peers.close()
	if err != nil {
		return 0, err
	}
	return m.Run(), nil
}

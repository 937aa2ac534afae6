//go:build peers

package peers

import (
	"context"
	"testing"
)

func TestBuild(t *testing.T) {
	dir, err := cache()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := buildAll(context.Background(), dir, programs)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(paths)
}

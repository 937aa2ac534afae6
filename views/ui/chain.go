package ui

import (
	"fmt"
	"unicode/utf8"

	"signboard/inventory"
)

// ChainLink is one link of a trust chain with the checks that concern it.
type ChainLink struct {
	inventory.Link
	Made []inventory.Check // the link's own checks, in the signature's order
}

// ChainLinks gives each link its checks. A check that no link names goes to the
// signature, or to the last link where there is none, so that none is lost.
func ChainLinks(s inventory.Signature) []ChainLink {
	links := make([]ChainLink, len(s.Chain))
	for i, l := range s.Chain {
		links[i].Link = l
	}
	for _, c := range s.Checks {
		at, named := -1, false
		for i, l := range s.Chain {
			for _, name := range l.Checks {
				if name == c.Name {
					links[i].Made = append(links[i].Made, c)
					named = true
					break
				}
			}
			if at < 0 && l.Role == inventory.RoleSignature {
				at = i
			}
		}
		if named {
			continue
		}
		if at < 0 {
			at = len(links) - 1
		}
		if at >= 0 {
			links[at].Made = append(links[at].Made, c)
		}
	}
	return links
}

// State is the worst of the link's checks: a failure, then one that could not
// be made, then one that passed. Checks that were left out count only when
// there is no other. Without checks the link has no state.
func (l ChainLink) State() (result inventory.Result, ok bool) {
	rank := func(r inventory.Result) int {
		switch r {
		case inventory.Fail:
			return 4
		case inventory.Pass:
			return 2
		case inventory.Skip:
			return 1
		}
		return 3
	}
	for _, c := range l.Made {
		if !ok || rank(c.Result) > rank(result) {
			result, ok = c.Result, true
		}
	}
	return result, ok
}

// key is the class and the mark of the link's state.
func (l ChainLink) key() string {
	if r, ok := l.State(); ok {
		return resultKey(r)
	}
	return "none"
}

func (l ChainLink) word() string {
	if r, ok := l.State(); ok {
		return ResultWord(r)
	}
	return "Nothing to check"
}

// The picture's measures, in units of the drawing.
const (
	chainWidth  = 1176 // what a wide screen has room for
	nodeHeight  = 78
	nodeGap     = 28 // between links of the line
	branchGap   = 16 // between branches
	chainMargin = 2
	railInset   = 14 // from the left edge to the line that runs down
)

// chainNode is a link with its place in the picture.
type chainNode struct {
	ChainLink
	X, Y int
	Line string // path of the connection from the link before; empty for the first
}

// chainPicture is a trust chain laid out to be drawn.
type chainPicture struct {
	Nodes         []chainNode
	NodeWidth     int
	Width, Height int
}

// layAcross lays a chain out from left to right with its branches hanging
// below the link they belong to.
func layAcross(links []ChainLink) chainPicture {
	inLine := 0
	for _, l := range links {
		if !l.Role.Branch() {
			inLine++
		}
	}
	p := chainPicture{NodeWidth: min(220, max(172, (chainWidth+nodeGap)/max(1, inLine)-nodeGap))}
	x, bottom := chainMargin, chainMargin
	for i, l := range links {
		n := chainNode{ChainLink: l, X: x, Y: chainMargin}
		switch {
		case i == 0:
			bottom = chainMargin + nodeHeight
		case l.Role.Branch():
			n.Y = bottom + branchGap
			n.Line = fmt.Sprintf("M%d %dV%d", x+p.NodeWidth/2, bottom, n.Y)
			bottom = n.Y + nodeHeight
		default:
			x += p.NodeWidth + nodeGap
			n.X = x
			n.Line = fmt.Sprintf("M%d %dH%d", x-nodeGap, chainMargin+nodeHeight/2, x)
			bottom = chainMargin + nodeHeight
		}
		p.add(n)
	}
	return p
}

// layDown lays a chain out from top to bottom along a rail, with its branches
// set in beside it.
func layDown(links []ChainLink) chainPicture {
	p := chainPicture{NodeWidth: 284}
	rail := chainMargin + railInset
	y, from := chainMargin, chainMargin
	for i, l := range links {
		n := chainNode{ChainLink: l, X: chainMargin, Y: y}
		switch {
		case i == 0:
			from = y + nodeHeight
		case l.Role.Branch():
			y += nodeHeight + branchGap
			n.X, n.Y = chainMargin+2*railInset, y
			n.Line = fmt.Sprintf("M%d %dV%dH%d", rail, from, y+nodeHeight/2, n.X)
		default:
			y += nodeHeight + branchGap
			n.Y = y
			n.Line = fmt.Sprintf("M%d %dV%d", rail, from, y)
			from = y + nodeHeight
		}
		p.add(n)
	}
	return p
}

func (p *chainPicture) add(n chainNode) {
	p.Nodes = append(p.Nodes, n)
	p.Width = max(p.Width, n.X+p.NodeWidth+chainMargin)
	p.Height = max(p.Height, n.Y+nodeHeight+chainMargin)
}

// chainLabel says the picture in one sentence.
func chainLabel(links []ChainLink) string {
	passed := 0
	for _, l := range links {
		if r, ok := l.State(); ok && r == inventory.Pass {
			passed++
		}
	}
	return fmt.Sprintf("Trust chain of %s; in %d everything that was checked passed. The list says each check.",
		Count(len(links), "link", "links"), passed)
}

// fit shortens a name to what a node of the picture holds; digests keep both
// ends, other names more of their end.
func fit(name string, n int) string {
	if d, err := inventory.ParseDigest(name); err == nil {
		return d.Short()
	}
	name = inventory.Visible(name)
	if utf8.RuneCountInString(name) <= n {
		return name
	}
	return Middle(name, n)
}

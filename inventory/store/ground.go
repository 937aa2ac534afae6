package store

import (
	"context"
	"database/sql"
	"hash/fnv"
	"slices"

	"signboard/inventory"
	"signboard/inventory/store/database"
)

// ground is an inventory.Ground as it is stored, beside each of many verdicts:
// its keys are short.
type ground struct {
	Signer    inventory.SignerID `json:"s,omitempty"`
	Format    inventory.Format   `json:"f,omitempty"`
	Manifest  inventory.Digest   `json:"m,omitempty"`
	Index     int                `json:"i,omitempty"`
	Mark      string             `json:"k,omitempty"`
	Root      string             `json:"r,omitempty"`
	Decision  string             `json:"d,omitempty"`
	Decisions int64              `json:"v"`
	Trust     int64              `json:"t"`
	CheckedAt int64              `json:"c,omitempty"`
}

// likeness is what image_signers keeps of a signature.
type likeness struct {
	Format   inventory.Format `json:"f,omitempty"`
	Manifest inventory.Digest `json:"m,omitempty"`
	Index    int              `json:"i,omitempty"`
	Mark     string           `json:"k,omitempty"`
}

func markOf(s inventory.Signature) likeness {
	t := inventory.TraceOf(s)
	return likeness{t.Format, t.Manifest, t.Index, t.Mark}
}

// basisKey stands for the reason, the signer and the decision of a verdict: one
// that has another rests on something else, and history says so. It is 0 where
// no signature decides. Which of a signer's signatures it is isn't part of it:
// the same verdict on many images has the same key.
func basisKey(v inventory.Verdict) int64 {
	s, d := v.Basis.Signature, v.Basis.Decision
	if s == nil {
		return 0
	}
	h := fnv.New64a()
	write := func(part string) {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	write(string(v.Reason))
	write(s.Domain)
	if s.Signer != nil {
		write(string(s.Signer.ID))
	}
	if d != nil {
		write(d.ID)
	}
	return int64(h.Sum64() | 1)
}

// groundOf is what a change of a verdict rests on.
func (c *changeSet) groundOf(h *verdictChange) ground {
	r, b := h.image, h.verdict.Basis
	g := ground{Decisions: c.revision, Trust: r.TrustRevision, CheckedAt: r.CheckedAt.Int64}
	if r.Status == inventory.Unknown {
		g.CheckedAt = r.LastGoodAt.Int64
	}
	if s := b.Signature; s != nil {
		m := markOf(*s)
		g.Format, g.Manifest, g.Index, g.Mark, g.Root = m.Format, m.Manifest, m.Index, m.Mark, s.Domain
		if s.Signer != nil {
			g.Signer = s.Signer.ID
		}
	}
	if b.Decision != nil {
		g.Decision = b.Decision.ID
	}
	return g
}

// grounds are what the changes of verdicts rest on. Verdicts that were judged
// without reading the evidence name a signer only: the signature is the one that
// is kept beside the image for it.
func (c *changeSet) grounds(ctx context.Context) ([]ground, error) {
	list := make([]ground, 0, len(c.history))
	var bare []int64
	for _, h := range c.history {
		g := c.groundOf(h)
		if g.Format == "" && g.Signer != "" {
			bare = append(bare, h.image.ID)
		}
		list = append(list, g)
	}
	if len(bare) == 0 {
		return list, nil
	}
	type pair struct {
		image  int64
		signer inventory.SignerID
	}
	marks := map[pair]likeness{}
	err := database.EachIn(ctx, c.tx, "select image_id, signer_id, trace from image_signers where image_id in %s", bare, func(rows *sql.Rows) error {
		var p pair
		var text string
		if err := rows.Scan(&p.image, &p.signer, &text); err != nil {
			return err
		}
		var m likeness
		err := fromJSON(text, &m)
		marks[p] = m
		return err
	})
	for i, h := range c.history {
		if g := &list[i]; g.Format == "" && g.Signer != "" {
			m := marks[pair{h.image.ID, g.Signer}]
			g.Format, g.Manifest, g.Index, g.Mark = m.Format, m.Manifest, m.Index, m.Mark
		}
	}
	return list, err
}

// same reports whether two likenesses are those of one signature: its bytes say so,
// wherever they are kept, or else its place.
func (m likeness) same(n likeness) bool {
	if m.Mark != "" && n.Mark != "" {
		return m.Format == n.Format && m.Mark == n.Mark
	}
	return m == n
}

// regrounded finds images whose verdict is what it was, by the same signer and
// decision, but whose signature that it rested on is no longer there or no longer
// verifies: the verdict rests on another one of the signer's now, and history
// says so. It comes before the stored evidence is replaced.
func (c *changeSet) regrounded(ctx context.Context, found map[int64]*inventory.ImageFinding, verdictOf func(id int64) inventory.Verdict, cause inventory.Cause) error {
	told := map[int64]bool{}
	for _, h := range c.history {
		told[h.image.ID] = true
	}
	var ids []int64
	for _, id := range c.order {
		before, known := c.before[id]
		if f := found[id]; f == nil || !known || told[id] || before.Basis == 0 || before.Basis != c.rows[id].Basis {
			continue
		}
		if s := verdictOf(id).Basis.Signature; s != nil && s.Signer != nil {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	// Which of a signer's signatures history named last may not be the one that is
	// kept beside the signer: that follows the order of the evidence.
	was := map[int64]likeness{}
	err := database.EachIn(ctx, c.tx, `
		select image_id, basis
		from verdict_history
		where basis <> '' and id in (select max(id) from verdict_history where image_id in %s group by image_id)`, ids, func(rows *sql.Rows) error {
		var id int64
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			return err
		}
		var g ground
		err := fromJSON(text, &g)
		if g.Format != "" && g.Signer == verdictOf(id).Basis.Signature.Signer.ID {
			was[id] = likeness{g.Format, g.Manifest, g.Index, g.Mark}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		m, known := was[id]
		v := verdictOf(id)
		if !known || slices.ContainsFunc(found[id].Evidence.Signatures, func(s inventory.Signature) bool {
			return s.Outcome == inventory.OutcomeVerified && s.Signer != nil && s.Signer.ID == v.Basis.Signature.Signer.ID && m.same(markOf(s))
		}) {
			continue
		}
		r := c.rows[id]
		c.history = append(c.history, &verdictChange{image: r, from: r.Status, known: r.known(), verdict: v, cause: cause})
	}
	return nil
}

// readGround makes of a stored ground what is shown; nil when it wasn't kept.
// Signers have no names yet: nameGrounds gives them theirs.
func readGround(text string) (*inventory.Ground, error) {
	if text == "" {
		return nil, nil
	}
	var g ground
	if err := fromJSON(text, &g); err != nil {
		return nil, err
	}
	made := &inventory.Ground{Root: g.Root, Decision: g.Decision, Decisions: g.Decisions, Trust: g.Trust}
	if g.CheckedAt != 0 {
		at := timeOf(g.CheckedAt)
		made.CheckedAt = &at
	}
	if g.Format != "" || g.Signer != "" {
		made.Signature = &inventory.Trace{Format: g.Format, Manifest: g.Manifest, Index: g.Index, Mark: g.Mark}
		if g.Signer != "" {
			made.Signature.Signer = &inventory.NamedSigner{ID: g.Signer, Name: string(g.Signer)}
		}
	}
	return made, nil
}

// nameGrounds gives the signers of grounds the names they are known by now.
func nameGrounds(ctx context.Context, q database.Querier, list []inventory.VerdictChange) error {
	signers := map[inventory.SignerID][]*inventory.NamedSigner{}
	var ids []inventory.SignerID
	for i := range list {
		if g := list[i].Ground; g != nil && g.Signature != nil && g.Signature.Signer != nil {
			s := g.Signature.Signer
			if signers[s.ID] == nil {
				ids = append(ids, s.ID)
			}
			signers[s.ID] = append(signers[s.ID], s)
		}
	}
	return database.EachIn(ctx, q, "select id, name from signers where id in %s", ids, func(rows *sql.Rows) error {
		var id inventory.SignerID
		var name string
		err := rows.Scan(&id, &name)
		for _, s := range signers[id] {
			s.Name = name
		}
		return err
	})
}

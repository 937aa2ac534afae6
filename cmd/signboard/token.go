package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"signboard/inventory"
	"signboard/inventory/decision"
	"signboard/inventory/store"
)

type tokenCommand struct {
	Create tokenCreateCommand `cmd:"" help:"Make a token for a program and print it, this once. It counts at once, also where the server runs already."`
	List   tokenListCommand   `cmd:"" help:"The tokens, newest first: what they may do, until when, and when they were last used."`
	Revoke tokenRevokeCommand `cmd:"" help:"End a token. The next request that shows it is refused."`
}

type tokenCreateCommand struct {
	Config  string         `help:"The configuration file, - for standard input." default:"signboard.yaml" placeholder:"FILE"`
	Name    string         `help:"Which program has it. No two live tokens have the same name." required:""`
	Role    string         `help:"What it may do: viewer, reviewer or admin." required:"" enum:"viewer,reviewer,admin" placeholder:"ROLE"`
	Expires *time.Duration `help:"How long it counts, such as 720h. Without it, until it is revoked."`
}

// Run makes the token. Standard output gets the token and nothing else, for
// scripts; what a person should know goes to standard error.
func (c tokenCreateCommand) Run(e environment) error {
	role, err := inventory.ParseRole(c.Role)
	if err != nil {
		return err
	}
	request := decision.TokenRequest{Name: c.Name, Role: role}
	if c.Expires != nil {
		end := time.Now().Add(*c.Expires)
		request.ExpiresAt = &end
	}
	db, err := tokenStore(e, c.Config)
	if err != nil {
		return err
	}
	defer db.Close()
	made, secret, err := decision.Door{Tokens: db}.CreateToken(e.ctx, operator(), request)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(e.stdout, string(secret)); err != nil {
		return inventory.Errorf(inventory.Internal, "The token %s was made, but it could not be printed (%v). Revoke it and make another one.", inventory.Visible(made.Name), err)
	}
	until := "until it is revoked: --expires 2160h would give it 90 days"
	if made.ExpiresAt != nil {
		until = "until " + made.ExpiresAt.Format("2 January 2006 at 15:04 UTC")
	}
	fmt.Fprintf(e.stderr, "This is the token of %s (%s), shown this once. It counts %s.\nPrograms send it as: Authorization: Bearer %s\n", inventory.Visible(made.Name), made.Role, until, secret)
	return nil
}

// tokenStore opens the configured database and nothing else: registries and
// roots of trust have nothing to do with tokens, and the server may be running.
func tokenStore(e environment, config string) (*store.DB, error) {
	c, err := loadConfig(config, e.stdin)
	if err != nil {
		return nil, err
	}
	db, _, err := openStore(e.ctx, c, e.log)
	return db, err
}

type tokenListCommand struct {
	Config string `help:"The configuration file, - for standard input." default:"signboard.yaml" placeholder:"FILE"`
	All    bool   `help:"Also those that have expired or were revoked."`
	Format string `help:"table or json." default:"table" enum:"table,json"`
}

// tokenLine is a token in a list. There is no secret to show.
type tokenLine struct {
	ID           string               `json:"id"`
	Name         string               `json:"name"`
	Role         string               `json:"role"`
	State        inventory.TokenState `json:"state"`
	CreatedAt    time.Time            `json:"created_at"`
	CreatedBy    string               `json:"created_by"`
	ExpiresAt    *time.Time           `json:"expires_at"`
	LastUsedAt   *time.Time           `json:"last_used_at"`
	LastUsedFrom string               `json:"last_used_from"`
	RevokedAt    *time.Time           `json:"revoked_at"`
	RevokedBy    string               `json:"revoked_by"`
}

// Run lists the tokens.
func (c tokenListCommand) Run(e environment) error {
	db, err := tokenStore(e, c.Config)
	if err != nil {
		return err
	}
	defer db.Close()
	now, lines := time.Now(), []tokenLine{}
	for _, live := range []bool{true, false} {
		if !live && !c.All {
			break
		}
		for p := (inventory.Page{Limit: inventory.MaxPage}); ; {
			list, next, err := db.Tokens(e.ctx, live, p, now)
			if err != nil {
				return err
			}
			for _, t := range list {
				lines = append(lines, tokenLine{
					t.ID, t.Name, t.Role.String(), t.StateAt(now), t.CreatedAt, t.CreatedBy, t.ExpiresAt, t.LastUsedAt, t.LastUsedFrom, t.RevokedAt, t.RevokedBy,
				})
			}
			if next == "" {
				break
			}
			p.Cursor = next
		}
	}
	if c.Format == "json" {
		encoder := json.NewEncoder(e.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(lines)
	}
	return printTokens(e.stdout, lines)
}

func printTokens(out io.Writer, lines []tokenLine) error {
	day := func(t *time.Time, none string) string {
		if t == nil {
			return none
		}
		return t.UTC().Format("2006-01-02 15:04")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tSTATE\tMADE\tBY\tEXPIRES\tLAST USED\tID")
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", inventory.Visible(l.Name), l.Role, l.State, day(&l.CreatedAt, ""), inventory.Visible(l.CreatedBy),
			day(l.ExpiresAt, "never"), day(l.LastUsedAt, "never"), l.ID)
	}
	return w.Flush()
}

type tokenRevokeCommand struct {
	Config string `help:"The configuration file, - for standard input." default:"signboard.yaml" placeholder:"FILE"`
	Token  string `arg:"" help:"The token's name, or its id." placeholder:"NAME|ID"`
}

// Run revokes the token.
func (c tokenRevokeCommand) Run(e environment) error {
	db, err := tokenStore(e, c.Config)
	if err != nil {
		return err
	}
	defer db.Close()
	revoked, err := decision.Door{Tokens: db}.RevokeToken(e.ctx, operator(), c.Token)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "revoked %s (%s)\n", inventory.Visible(revoked.Name), revoked.Role)
	return nil
}

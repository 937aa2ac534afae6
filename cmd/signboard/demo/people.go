package demo

import "signboard/inventory"

// Person is somebody who can sign in to the demo.
type Person struct {
	Subject string // the provider's stable id, the claim "sub"
	Name    string
	Email   string
	Groups  []string
	Title   string // what they do
	About   string // what they can do here, with the groups mapped to roles as Roles has them
}

// Initials stand where a portrait would.
func (p Person) Initials() string {
	initials := ""
	for i, r := range p.Name {
		if i == 0 || p.Name[i-1] == ' ' {
			initials += string(r)
		}
	}
	return initials
}

var people = []Person{
	{
		Subject: "maya", Name: "Maya Okafor", Email: "maya.okafor@larkfield.example", Groups: []string{},
		Title: "Manager", About: "Sees every page and decides nothing.",
	},
	{
		Subject: "sam", Name: "Sam Lindqvist", Email: "sam.lindqvist@larkfield.example", Groups: []string{"security"},
		Title: "Security reviewer", About: "Approves, rejects and revokes signers, and holds images back.",
	},
	{
		Subject: "priya", Name: "Priya Raman", Email: "priya.raman@larkfield.example", Groups: []string{"payments-dev"},
		Title: "Developer, team payments", About: "Sees every page, her team's images among them.",
	},
}

// People are the three who can sign in, in the order they are shown.
func (d *Demo) People() []Person { return append([]Person(nil), people...) }

// Reviewer is the one of them who decides about signers.
func (d *Demo) Reviewer() Person { return people[1] }

// Roles maps groups to roles the way the demo's configuration has to: "*" is
// anybody who can sign in.
func (d *Demo) Roles() map[inventory.Role][]string {
	return map[inventory.Role][]string{inventory.Viewer: {"*"}, inventory.Reviewer: {"security"}}
}

// Teams are the organisation's teams. Some repositories belong to none.
func (d *Demo) Teams() []inventory.Team {
	team := func(name, group string) inventory.Team {
		return inventory.Team{Name: name, Groups: []string{group}, Repositories: []inventory.Glob{inventory.Glob(RegistryName + "/" + name + "/**")}}
	}
	return []inventory.Team{
		team("payments", "payments-dev"),
		team("platform", "platform"),
		team("storefront", "storefront-dev"),
		team("data", "data-eng"),
	}
}

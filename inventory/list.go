package inventory

// MaxPage is the most rows one page of a list holds.
const MaxPage = 200

// Page asks for one page of a list, newest first. Cursor is what the page
// before answered, empty for the first.
type Page struct {
	Limit  int // 1 to MaxPage; anything else means 50
	Cursor string
}

// Size is the limit with its bounds applied.
func (p Page) Size() int {
	if p.Limit < 1 || p.Limit > MaxPage {
		return 50
	}
	return p.Limit
}

// ImageFilter narrows the list of images; the zero value is every image in
// use. Fields combine with "and".
type ImageFilter struct {
	Status     Status // or Quarantined
	Registry   string // a registry's name
	Repository Glob   // over "registry/repository", or over the repository's own name
	Team       string // a team's name, or NoTeam
	Signer     SignerID
	Format     Format
	Reason     Reason
	Tag        string // an exact tag
	Q          string // words in a repository's name, or the beginning of a digest
}

// Scope is whose images are counted: a team's (or NoTeam's), a registry's, or
// everybody's when it is empty. It is one of them, not both.
type Scope struct {
	Team     string
	Registry string // its name
}

// NoTeam is the bucket of images that no team's patterns match.
const NoTeam = "-"

// Empty reports whether nothing narrows the list.
func (f ImageFilter) Empty() bool { return f == ImageFilter{} }

// ImageList is one page of images with the facets of the whole inventory.
type ImageList struct {
	Images []Image
	Next   string // cursor of the next page, empty on the last
	// Total counts the selection; when Capped it is a floor ("1,000+").
	Total  int
	Capped bool
}

// Facet is one value of one dimension with the number of images that have it.
type Facet struct {
	Value string
	Label string
	Count int
}

// Facets are the values to narrow the list of images by, the most frequent
// first, each list capped.
type Facets struct {
	Status, Registry, Team, Signer, Format, Reason []Facet
}

// Counts says how many images have each status. Quarantined is an overlay: its
// images are counted in their own status too.
type Counts struct {
	Images      int
	ByStatus    map[Status]int
	Quarantined int
	Stale       int
}

// Of is the number of images with the status.
func (c Counts) Of(s Status) int {
	if s == Quarantined {
		return c.Quarantined
	}
	return c.ByStatus[s]
}

// Day is the coverage at the end of one UTC day, or now for today.
type Day struct {
	Date   string // 2006-01-02
	Counts Counts
}

// TeamCounts is the coverage of one team.
type TeamCounts struct {
	Team   string
	Counts Counts
}

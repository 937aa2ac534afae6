package inventory

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const tokens = "https://token.example"

func workflowOf(path, ref string) SignerID {
	return KeylessID(tokens, "https://git.example/"+path+"@refs/"+ref)
}

func person(address string) SignerID { return KeylessID("https://login.example", address) }

func odd(t *testing.T, s Signer, around Surroundings) map[OddityKind]string {
	t.Helper()
	found := map[OddityKind]string{}
	for _, o := range Oddities(s, around) {
		if _, twice := found[o.Kind]; twice {
			t.Errorf("%s is said twice", o.Kind)
		}
		found[o.Kind] = o.Message
	}
	return found
}

func TestOddities_likeness(t *testing.T) {
	const release = ".github/workflows/release.yml"
	approved := func(id SignerID) Signer { return Signer{ID: id, Name: string(id), Standing: Approved} }
	anchor, other := DigestOf([]byte("one")), DigestOf([]byte("other"))
	known := NewFamiliar([]Signer{
		approved(workflowOf("larkfield/payments-api/"+release, "heads/main")),
		approved(workflowOf("larkfield/service-a/"+release, "heads/main")),
		approved(workflowOf("larkfield/cluster-east-1/"+release, "heads/main")),
		approved(person("noor.haddad@larkfield.example")),
		approved(person("modern@larkfield.example")),
		approved(X509ID(anchor, "CN=Acme Release,O=Acme Corporation,C=DE")),
		{ID: KeyID(DigestOf([]byte("a"))), Name: "payments release", Standing: Pending, RegisteredAt: &time.Time{}},
		{ID: person("revoked@larkfield.example"), Name: "revoked@larkfield.example", Standing: Revoked},
		{ID: KeylessID(tokens, "spiffe://larkfield.example/ns/pay/sa/builder"), Standing: Expired},
	})
	for _, c := range []struct {
		id   SignerID
		want OddityKind
	}{
		// the same workflow, another ref
		{workflowOf("larkfield/payments-api/"+release, "tags/v1"), OddAnotherRef},
		{workflowOf("larkfield/payments-api/"+release, "tags/@larkfield/api@1.0"), OddAnotherRef},
		// the same name, vouched for by somebody else
		{KeylessID("https://else.example", "https://git.example/larkfield/payments-api/"+release+"@refs/heads/main"), OddAnotherIssuer},
		{KeylessID("https://else.example", "https://git.example/larkfield/payments-api/"+release+"@refs/tags/v9"), OddAnotherIssuer},
		{KeylessID(tokens, "noor.haddad@larkfield.example"), OddAnotherIssuer},
		{X509ID(other, "CN=Acme Release,O=Acme Corporation,C=DE"), OddAnotherIssuer},
		// letters that look the same
		{workflowOf("lаrkfield/payments-api/"+release, "heads/main"), OddLookAlike}, // Cyrillic а
		{workflowOf("1arkfield/payments-api/"+release, "heads/main"), OddLookAlike},
		{workflowOf("larkfield/payments\u200b-api/"+release, "heads/main"), OddLookAlike},
		{workflowOf("Larkfield/Payments-API/"+release, "heads/main"), OddLookAlike},
		{person("noor.haddad@larkfie1d.example"), OddLookAlike},
		{person("modem@larkfield.example"), OddLookAlike}, // rn
		{person("ｎoor.haddad@larkfield.example"), OddLookAlike},
		{X509ID(anchor, "CN=Acme Release,O=Аcme Corporation,C=DE"), OddLookAlike}, // Cyrillic А
		// a slip of the pen
		{workflowOf("larkfeild/payments-api/"+release, "heads/main"), OddLookAlike},
		{workflowOf("larkfield/payment-api/"+release, "heads/main"), OddLookAlike},
		{workflowOf("larkfield/payments-api/.github/workflows/relaese.yml", "heads/main"), OddLookAlike},
		{person("noor.hadad@larkfield.example"), OddLookAlike},
		{person("noorhaddad@larkfield.example"), OddLookAlike},
		{X509ID(anchor, "CN=Acme Release,O=Acme Corporations,C=DE"), OddLookAlike},
		{KeylessID(tokens, "spiffe://larkfield.example/ns/pay/sa/buidler"), OddLookAlike},
		// names that are told apart on purpose
		{workflowOf("larkfield/payments-api-2/"+release, "heads/main"), ""},
		{workflowOf("larkfield/service-b/"+release, "heads/main"), ""},
		{workflowOf("larkfield/cluster-west-1/"+release, "heads/main"), ""},
		{workflowOf("larkfield/cluster-east-2/"+release, "heads/main"), ""},
		{workflowOf("larkfield/ledger/"+release, "heads/main"), ""},
		{workflowOf("larkfield/payments-api/.github/workflows/nightly.yml", "heads/main"), ""},
		{person("anne@larkfield.example"), ""},
		{person("revokad@larkfield.example"), ""}, // to be like somebody who was revoked earns nothing
		{TUFID("larkfield/payments-api", "k"), ""},
		{KeyID(DigestOf([]byte("unregistered"))), ""},
		// itself
		{person("noor.haddad@larkfield.example"), ""},
	} {
		found := odd(t, Signer{ID: c.id, Name: string(c.id), Standing: Pending}, Surroundings{Familiar: known})
		if c.want == "" && len(found) > 0 || c.want != "" && (len(found) != 1 || found[c.want] == "") {
			t.Errorf("%s is %v, want %q", c.id, found, c.want)
		}
	}
	key := Signer{ID: KeyID(DigestOf([]byte("b"))), Name: "payments release", Standing: Pending, RegisteredAt: &time.Time{}}
	if found := odd(t, key, Surroundings{Familiar: known}); found[OddSameName] == "" {
		t.Errorf("a key of the same name is %v", found)
	}
	key.Name = "payments re1ease"
	if found := odd(t, key, Surroundings{Familiar: known}); found[OddLookAlike] == "" {
		t.Errorf("a key of nearly the same name is %v", found)
	}
	if found := odd(t, Signer{ID: person("noor.hadad@larkfield.example"), Standing: Rejected}, Surroundings{Familiar: known}); len(found) > 0 {
		t.Errorf("of one that was decided about %v is said", found)
	}
}

func TestOddities_sayInWhichPartNamesDiffer(t *testing.T) {
	known := NewFamiliar([]Signer{{ID: person("noor.haddad@larkfield.example"), Name: "noor.haddad@larkfield.example", Standing: Approved}})
	found := odd(t, Signer{ID: person("noor.haddad@larkfíeld\u202e.example"), Standing: Pending}, Surroundings{Familiar: known})
	if m := found[OddLookAlike]; !strings.Contains(m, "larkfíeld⟨U+202E⟩.example") || !strings.Contains(m, `"larkfield.example"`) {
		t.Errorf("it says %q", m)
	}
}

func TestOddities_newInARepository(t *testing.T) {
	at := func(d int) time.Time { return time.Date(2026, 3, d, 12, 0, 0, 0, time.UTC) }
	self, x, y := workflowOf("org/app/r.yml", "tags/v2"), KeyID(DigestOf([]byte("x"))), KeyID(DigestOf([]byte("y")))
	since := func(id SignerID, d int) FamilySince {
		return FamilySince{Family: id.Family(), Since: at(d), Signer: &NamedSigner{ID: id, Name: "X"}, Images: 41}
	}
	place := func(d int, families ...FamilySince) SignedIn {
		return SignedIn{Repository: "local/pay/api", Since: at(d), NotBefore: at(d), Families: families}
	}
	unknown := place(20, since(x, 1), since(self, 20))
	unknown.NotBefore = time.Time{}
	crowded := place(20, since(x, 1), since(self, 20))
	crowded.Crowded = true
	for name, c := range map[string]struct {
		place SignedIn
		want  bool
	}{
		"one other before":                       {place(20, since(x, 1), since(self, 20)), true},
		"another came after":                     {place(20, since(x, 1), since(self, 20), since(y, 25)), true},
		"two others before":                      {place(20, since(x, 1), since(y, 10), since(self, 20)), false},
		"nobody before":                          {place(20, since(self, 20), since(x, 21)), false},
		"signed by both from the beginning":      {place(1, since(x, 1), since(self, 1)), false},
		"hours after":                            {SignedIn{NotBefore: at(20), Since: at(20), Families: []FamilySince{{Family: string(x), Since: at(20).Add(-5 * time.Hour)}}}, false},
		"the same workflow, another ref, before": {place(20, since(workflowOf("org/app/r.yml", "tags/v1"), 1), since(x, 2)), false},
		"nobody knows since when":                {unknown, false},
		"there are more than can be looked at":   {crowded, false},
	} {
		found := odd(t, Signer{ID: self, Standing: Pending}, Surroundings{Places: []SignedIn{c.place}})
		if (found[OddNewHere] != "") != c.want {
			t.Errorf("%s: %v", name, found)
		}
	}
	few := since(y, 1)
	few.Images = 1
	list := Oddities(Signer{ID: self, Standing: Pending}, Surroundings{Places: []SignedIn{
		{Repository: "local/pay/few", Since: at(20), NotBefore: at(20), Families: []FamilySince{few}}, place(20, since(x, 1)), place(9, since(self, 1), since(x, 20)),
	}})
	const want = "In local/pay/api every verified signature before 20 March 2026, from 1 March 2026 on, was by X (41 images in use carry it). This signer first signed there on 20 March 2026. It is the same in another repository."
	if len(list) != 1 || list[0].Message != want || list[0].Other.ID != x {
		t.Errorf("it says %+v", list)
	}
	later := place(20, since(workflowOf("org/old/r.yml", "tags/v7"), 1))
	later.Since = at(28)
	message := odd(t, Signer{ID: self, Standing: Pending}, Surroundings{Places: []SignedIn{later}})[OddNewHere]
	if !strings.Contains(message, "was by the workflow https://git.example/org/old/r.yml (41") || !strings.HasSuffix(message, "This signer came after that, by 28 March 2026.") {
		t.Errorf("it says %q", message)
	}
}

func TestOddities_newIssuer(t *testing.T) {
	day := func(d int) *time.Time { at := time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC); return &at }
	id := person("ann@larkfield.example")
	for name, c := range map[string]struct {
		around Surroundings
		want   bool
	}{
		"others were there before":       {Surroundings{VouchedSince: day(20), KindSince: day(1)}, true},
		"others were decided about":      {Surroundings{VouchedSince: day(20), KindSince: day(20), KindDecided: true}, true},
		"everybody came on one day":      {Surroundings{VouchedSince: day(20), KindSince: day(20)}, false},
		"it was decided about":           {Surroundings{VouchedSince: day(20), VouchedDecided: true, KindSince: day(1), KindDecided: true}, false},
		"it is the first there ever was": {Surroundings{VouchedSince: day(1), KindSince: day(1)}, false},
		"nothing is known":               {Surroundings{}, false},
	} {
		found := odd(t, Signer{ID: id, Standing: Pending}, c.around)
		if (found[OddNewIssuer] != "") != c.want {
			t.Errorf("%s: %v", name, found)
		}
	}
	if found := odd(t, Signer{ID: KeyID(DigestOf(nil)), Standing: Pending}, Surroundings{VouchedSince: day(20), KindSince: day(1)}); len(found) > 0 {
		t.Errorf("a key, which nobody vouches for, is %v", found)
	}
}

func TestSkeleton_isTheSameForWhatLooksTheSame(t *testing.T) {
	for _, pair := range [][2]string{{"payments", "рауments"}, {"modern", "modem"}, {"vvidget", "widget"}, {"Bill", "BIll"}, {"a‐b", "a-b"}, {"𝐩𝐚𝐲", "pay"}, {"𝟎", "o"}, {"pa\u0301y", "pay"}} {
		if skeleton(pair[0]) != skeleton(pair[1]) {
			t.Errorf("%q and %q look different: %q, %q", pair[0], pair[1], skeleton(pair[0]), skeleton(pair[1]))
		}
	}
	for _, pair := range [][2]string{{"payments", "payment"}, {"app2", "app3"}, {"日本", "中国"}} {
		if skeleton(pair[0]) == skeleton(pair[1]) {
			t.Errorf("%q and %q look the same", pair[0], pair[1])
		}
	}
}

// A page of signers, compared with as many as there can be.
func BenchmarkOddities(b *testing.B) {
	var list []Signer
	for n := range MaxFamiliar {
		list = append(list, Signer{ID: workflowOf(fmt.Sprintf("larkfield/service-%c%c%c/.github/workflows/release.yml", 'a'+n%26, 'a'+n/26%26, 'a'+n/676), "heads/main"), Standing: Approved})
	}
	known := NewFamiliar(list)
	for b.Loop() {
		for n := range 50 {
			Oddities(Signer{ID: workflowOf(fmt.Sprintf("larkfield/sirvice-%d/.github/workflows/release.yml", n), "heads/main"), Standing: Pending}, Surroundings{Familiar: known})
		}
	}
}

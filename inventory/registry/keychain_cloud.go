package registry

import (
	"context"
	"errors"
	"io"
	"net/url"
	"regexp"
	"strings"

	ecr "github.com/awslabs/amazon-ecr-credential-helper/ecr-login"
	acr "github.com/chrismellard/docker-credential-acr-env/pkg/credhelper"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/authn/github"
	"github.com/google/go-containerregistry/pkg/v1/google"
)

// cloudKeychain is where the credentials come from that a cloud, or GitHub's
// Actions, give to what runs there, for a host that is theirs; nil for others.
// They are asked over connections of their own.
func cloudKeychain(host string) func(context.Context, authn.Resource) (authn.Authenticator, error) {
	u, err := url.Parse("//" + host)
	if err != nil || u.Port() != "" && u.Port() != "443" {
		return nil
	}
	switch name := u.Hostname(); {
	case name == "ghcr.io":
		return func(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
			return authn.Resolve(ctx, github.Keychain, r)
		}
	case name == "gcr.io", strings.HasSuffix(name, ".gcr.io"), strings.HasSuffix(name, ".pkg.dev"):
		return googleCredentials
	case name == "public.ecr.aws", amazon.MatchString(name):
		return fromHelper(ecr.NewECRHelper(ecr.WithLogger(io.Discard)))
	case azure.MatchString(name):
		return fromHelper(acr.NewACRCredentialsHelper())
	}
	return nil
}

var (
	amazon = regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.(aws|amazonwebservices\.com\.cn))$`)
	azure  = regexp.MustCompile(`^[a-z0-9-]+\.azurecr\.(io|cn|de|us)$`)
)

// fromHelper asks what would be a credential helper of Docker's if it weren't
// built in. Without an identity in its cloud it has no credentials.
func fromHelper(h authn.Helper) func(context.Context, authn.Resource) (authn.Authenticator, error) {
	return func(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
		return authn.Resolve(ctx, authn.NewKeychainFromHelper(h), r)
	}
}

// googleCredentials are those of the machine (application default credentials),
// or gcloud's. They are looked up each time, since go-containerregistry's own
// keychain remembers for good that there were none.
func googleCredentials(ctx context.Context, _ authn.Resource) (authn.Authenticator, error) {
	for _, from := range []func(context.Context) (authn.Authenticator, error){google.NewEnvAuthenticator, google.NewGcloudAuthenticator} {
		found, err := from(ctx)
		if err != nil || found == authn.Anonymous {
			continue
		}
		config, err := found.Authorization()
		if err != nil {
			return nil, errors.New("the credentials that Google gives this machine can't be used") // the cause may hold some
		}
		return authn.FromConfig(*config), nil
	}
	return authn.Anonymous, nil
}

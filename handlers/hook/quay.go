package hook

// quay reads Quay's notifications: {"repository":"NAMESPACE/NAME","docker_url":…}
// and whatever else belongs to the event
// (https://docs.redhat.com/en/documentation/red_hat_quay/, "Repository
// Notifications"). Each is of one repository, which a push or a mirroring has
// changed; the others are rare.
func quay(r *reading, o object) (bool, error) {
	if !has(o, "repository", "docker_url") {
		return false, nil
	}
	r.push(text(o, "repository"))
	return true, nil
}

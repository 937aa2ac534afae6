// Package hook receives the events that registries send: POST /hooks/{registry}.
//
// An event proves nothing, whoever sent it. All that is taken from it is the
// names of repositories that are worth a look now; what is there is read from
// the registry. So a payload is read generously, with bounds on what it may cost,
// and nothing in it is ever followed, called or shown. Whoever knows the secret of
// a registry can have its repositories read early, and nothing else.
//
// There is a file for each source of events, which says what its payloads look
// like and where that is documented.
package hook

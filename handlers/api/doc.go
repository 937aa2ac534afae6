// Package api is what programs read and write: the JSON API under /api/v1, its
// objects, and the OpenAPI document that describes both. The objects are those
// of --format json and of exports too; one function each makes them from the
// inventory's nouns, and knows nothing of HTTP. The field names are the outside
// contract: they are added to and never renamed.
//
// There is a file for each resource, with its calls. Each call asks the function
// that the page about the same thing asks. Who is asking is in the request's
// context already; what they may do is inventory.Actor's to say.
//
// Text in these objects is as it was found, however hostile: JSON can say any
// text, and whoever shows it has to make it fit to be seen.
package api

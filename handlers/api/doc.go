// Package api is the JSON that programs read: the objects of the API and of
// --format json, with one function each that makes them from the inventory's
// nouns. The field names are the outside contract: they are added to and never
// renamed. It knows nothing of HTTP; who answers a request with these objects is
// another matter.
//
// Text in these objects is as it was found, however hostile: JSON can say any
// text, and whoever shows it has to make it fit to be seen.
package api

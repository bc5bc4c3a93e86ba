"""The tests of netlab mirror its folders; `support` starts servers, `plain` holds plain-socket peers."""

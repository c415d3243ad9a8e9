// A service worker that does nothing: whether a browser takes it tells whether it trusts the certificate.

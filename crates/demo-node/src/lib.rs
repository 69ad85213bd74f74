//! A node to route to: answers HTTP and WebSocket, for demonstrations and tests.

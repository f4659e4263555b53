from __future__ import annotations

import pytest

from web.headers import CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/static/app.css", "/static/nothing", "/api/v1/jobs", "/api/v1/nothing"]
)
def test_every_answer_carries_the_headers(client, path):
    with client.get(path) as response:
        headers = response.headers

    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Set-Cookie" not in headers
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/", "/api/v1/jobs", "/static/app.css", "/nowhere"])
@pytest.mark.parametrize(
    "host", ["rebound.example:8080", "localhost.evil.example", "127.0.0.1@evil.example", "a b", ""]
)
def test_a_name_that_was_made_to_point_here_is_refused(client, path, host):
    response = client.get(path, headers={"Host": host})

    assert response.status_code == 400
    assert "Content-Security-Policy" in response.headers


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080"])
def test_loopback_names_are_served(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200


OWN = "http://localhost"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": OWN},
    ],
)
def test_pages_of_other_sites_change_nothing(client, add_job, published, headers):
    response = client.post(f"/api/v1/jobs/{add_job().id}/cancel", headers=headers)

    assert response.status_code == 403
    assert published == []


@pytest.mark.parametrize("headers", [{}, {"Origin": OWN, "Sec-Fetch-Site": "same-origin"}])
def test_programs_and_own_pages_do(client, add_job, published, headers):
    job = add_job()

    assert client.post(f"/api/v1/jobs/{job.id}/cancel", headers=headers).status_code == 200
    assert published == [("publish_finish", job.id)]

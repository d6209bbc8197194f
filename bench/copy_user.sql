-- Copies of the registered user `bench0`, with all columns that the project's version
-- has.
INSERT INTO users_user
SELECT fresh.* FROM users_user AS original
CROSS JOIN generate_series((SELECT count(*) FROM users_user), %(count)s - 1) AS n
CROSS JOIN LATERAL jsonb_populate_record(original, jsonb_build_object(
    'id', gen_random_uuid(),
    'username', 'bench' || n, 'username_canonical', 'bench' || n,
    'email', 'bench' || n || '@example.org',
    'email_canonical', 'bench' || n || '@example.org')) AS fresh
WHERE original.username = 'bench0'

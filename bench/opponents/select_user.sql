SELECT id, username, email, first_name, last_name, display_name, avatar_url, is_active,
       deleted_at IS NOT NULL AS is_deleted, deleted_at, created_at, updated_at,
       ARRAY(SELECT name FROM auth_group g JOIN users_user_groups m ON m.group_id = g.id
             WHERE m.user_id = u.id ORDER BY name) AS roles
FROM users_user u WHERE id = %s AND is_active AND deleted_at IS NULL
